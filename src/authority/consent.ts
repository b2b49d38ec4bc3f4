import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Mode } from './client-authentication.js'

/**
 * Whether a user has agreed that a client acts in the user's name: decided here and nowhere else. On a developer's own
 * machine it is implied; a team's server needs it recorded, which nothing does yet. Throws `access_denied`.
 */
export function assertConsent(userId: string, clientId: string, mode: Mode): void {
  if (mode === 'dev') return
  throw new AuthsecError('access_denied', `user ${quote(userId)} has not agreed that ${quote(clientId)} acts`)
}
