import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Mode } from './client-authentication.js'

/** A user's session that a client wants to act on. */
export interface ConsentQuestion {
  userId: string
  clientId: string
  /** The client that the session was given to; undefined when it is the person's own. */
  holder: string | undefined
  mode: Mode
}

/**
 * Whether a user has agreed that a client acts in the user's name: decided here and nowhere else. On a developer's own
 * machine it is implied. Elsewhere it is the session itself that records it: the user has let this client in (device
 * flow, CIBA), and takes it back by ending that session. Throws `access_denied`.
 */
export function assertConsent({ userId, clientId, holder, mode }: ConsentQuestion): void {
  if (mode === 'dev' || holder === clientId) return
  throw new AuthsecError(
    'access_denied',
    `user ${quote(userId)} has not agreed that ${quote(clientId)} acts`,
    {
      hint: 'Let the user approve the client first: device flow or CIBA.',
    },
  )
}
