import { AuthsecError } from '../core/errors.js'
import type { StoredSession } from '../store/sessions.js'
import type { Store, User } from '../store/store.js'
import { hashHandle } from './approvals.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { authenticateText } from './challenges.js'
import { createSecret } from './client-authentication.js'
import { isSameText } from './constant-time.js'
import type { Credentials, Logins } from './logins.js'
import { type Session, tokenTypeOf } from './sessions.js'
import type { SigningKey, SigningKeys } from './signer.js'

/**
 * Who is at the activation page. The handle in the browser's cookie is no token: cookies are not bound to a port, so
 * whatever else listens on this machine gets to see it, and it is good for this page alone, for 15 minutes.
 */
export interface PageSessions {
  /** A handle of nobody yet. */
  createHandle(): string
  /** Logs somebody in under a new handle, so that one planted before is worth nothing. Throws as `Logins.login`. */
  login(credentials: Credentials, provenance: Provenance): Promise<{ handle: string; session: Session }>
  find(handle: string): Promise<Session | undefined>
  end(session: Session, provenance: Provenance): Promise<void>
  /** What a form has to carry to come from the page that was shown under this handle. */
  createFormToken(handle: string): string
  isFormToken(handle: string, token: string): boolean
}

/** How long somebody is known to the page, in seconds. */
export const PAGE_SESSION_TTL = 900

export function createPageSessions(options: {
  store: Store
  audit: AuditLog
  logins: Logins
  clock: () => number
  /** The key of sessions. A page has no dot in its text, a token has: neither can stand for the other. */
  keys: SigningKeys
}): PageSessions {
  const { store, audit, logins, clock, keys } = options
  const prove = ({ privateKey }: SigningKey, handle: string) =>
    authenticateText(privateKey, `activation page ${handle}`)

  return {
    createHandle: createSecret,
    createFormToken: (handle) => prove(keys.active, handle),
    isFormToken: (handle, token) => keys.trusted.some((key) => isSameText(prove(key, handle), token)),

    login(credentials, provenance) {
      return audit.attempt({ type: 'session.started' }, provenance, async (attempt) => {
        const { user, settle } = await logins.authenticate(credentials, attempt)
        const handle = createSecret()
        const stored = createStoredSession(handle, user, clock())
        attempt.note({ details: { kind: 'page', expires_in: PAGE_SESSION_TTL } })
        await attempt.commit(async (transaction) => {
          await settle(transaction)
          await transaction.sessions.insert(stored)
        })
        return { handle, session: toSession(stored, user) }
      })
    },

    async find(handle) {
      const stored = await store.sessions.find(hashHandle(handle))
      if (stored?.kind !== 'page' || stored.expiresAt <= clock()) return undefined
      const user = await store.users.find(stored.userId)
      return user?.active === true ? toSession(stored, user) : undefined
    },

    end({ id, kind, user }, provenance) {
      if (kind !== 'page') throw new AuthsecError('access_denied', 'not a session of this page')
      const party = { type: 'user', id: user.id } as const
      return audit.attempt({ type: 'session.ended', actor: party, subject: party }, provenance, (attempt) =>
        attempt.commit(({ sessions }) => sessions.remove(id)),
      )
    },
  }
}

function createStoredSession(handle: string, user: User, now: number): StoredSession {
  return {
    id: hashHandle(handle),
    kind: 'page',
    userId: user.id,
    createdAt: now,
    expiresAt: now + PAGE_SESSION_TTL * 1000,
  }
}

function toSession(stored: StoredSession, user: User): Session {
  return {
    id: stored.id,
    kind: stored.kind,
    user,
    clientId: undefined,
    ceiling: undefined,
    tokenType: tokenTypeOf(user),
    startedAt: stored.createdAt,
    expiresAt: Math.floor(stored.expiresAt / 1000),
  }
}
