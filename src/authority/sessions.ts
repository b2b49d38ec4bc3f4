import { randomUUID } from 'node:crypto'
import type { ActorClaim } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { intersectPermissions } from '../core/permission.js'
import type { MayAct } from '../core/presenting.js'
import { quote } from '../core/printable.js'
import type { SessionKind, StoredSession } from '../store/sessions.js'
import type { Store, Transaction, User } from '../store/store.js'
import { type Attempt, type AuditLog, type Provenance, SERVER_ITSELF } from './audit/log.js'
import { findById } from './find-by-id.js'
import type { AssertSigning } from './keys.js'
import { createSessionClaims, readSession, SESSION_TOKEN_TYPE } from './session-claims.js'
import { type SigningKeys, signJwt } from './signer.js'

/** Someone who is logged in, with the authority they have now. */
export interface Session {
  /** The `jti` of its token. */
  id: string
  kind: SessionKind
  /** The user, whose permissions are cut to what the session may do. */
  user: User
  /** The client that holds the token; undefined when no client is named, which does not make it the person's own. */
  clientId: string | undefined
  /** That client as whoever acts for the user. */
  act?: ActorClaim | undefined
  /** The most that it may do whatever its user may; undefined means no such limit. */
  ceiling: readonly string[] | undefined
  /** Who alone may act for its user, where it says so (RFC 8693 §4.4). */
  mayAct?: MayAct | undefined
  /** AuthSec's word for what it is good for. */
  tokenType: 'admin' | 'user'
  /** Milliseconds since the epoch. */
  startedAt: number
  /** Seconds since the epoch. */
  expiresAt: number
}

/** How a new session is to be. */
export interface SessionTerms {
  kind: Exclude<SessionKind, 'page'>
  ttlSeconds: number
  clientId?: string | undefined
  ceiling?: readonly string[] | undefined
}

export interface StartedSession {
  token: string
  id: string
  /** What it may do now. */
  permissions: readonly string[]
  /** Seconds since the epoch. */
  expiresAt: number
}

export interface Sessions {
  /** Starts the admin session of this run of the server and returns its token: it ends with the run, or after 12 h. */
  start(user: User): Promise<string>
  /**
   * Starts a session within an attempt, in one transaction with `change`. Throws `access_denied` when the user is
   * not active (any more).
   */
  issue(
    user: User,
    terms: SessionTerms,
    attempt: Attempt,
    change?: (transaction: Transaction) => Promise<void>,
  ): Promise<StartedSession>
  /** Whether a token is a session that this server has issued, alive or not. */
  isIssued(token: string): boolean
  /**
   * The session of a token. Throws `login_required` when the token is not one of this server, has ended or
   * expired, or its user is gone.
   */
  resume(token: string): Promise<Session>
  /** The sessions of the caller's user that clients hold. Throws `access_denied` to a program. */
  listHeld(caller: Session): Promise<StoredSession[]>
  /**
   * Ends a session that a client holds of the caller's user. Throws `access_denied` to a program and `not_found` for
   * any other session.
   */
  withdraw(id: string, caller: Session, provenance: Provenance): Promise<void>
  /** Ends a session at once, and with it whatever asks for it from then on. */
  end(session: Session, provenance: Provenance): Promise<void>
}

export interface SessionsOptions {
  store: Store
  audit: AuditLog
  keys: SigningKeys
  assertSigning: AssertSigning
  clock: () => number
  tenantId: string
  bootId: string
}

/** The permission that AuthSec's admin routes require. */
export const ADMIN_PERMISSION = 'admin:access'

const BOOT_SESSION_TTL = 12 * 3_600

/** Sessions are HS256 tokens with the claims of AuthSec's own, alive as long as the store has their row. */
export function createSessions(options: SessionsOptions): Sessions {
  const { store, audit, keys, assertSigning, clock, tenantId, bootId } = options

  async function issue(
    user: User,
    terms: SessionTerms,
    attempt: Attempt,
    change: (transaction: Transaction) => Promise<void> = async () => {},
  ): Promise<StartedSession> {
    const session = createSession(user, terms, clock(), terms.kind === 'boot' ? bootId : undefined)
    const limited = limitUser(user, session.permissions)
    const claims = createSessionClaims(limited, session, { tenantId, tokenType: tokenTypeOf(limited) })
    const key = keys.active
    const { token, tokenHash } = signJwt(key, { typ: SESSION_TOKEN_TYPE, kid: 'default' }, claims)
    attempt.note({
      subject: { type: 'user', id: user.id },
      details: { kind: terms.kind, expires_in: terms.ttlSeconds },
      ...(terms.clientId !== undefined && { client: terms.clientId }),
    })
    await attempt.commit(async (transaction) => {
      const current = await transaction.users.find(user.id)
      if (current?.active !== true) throw new AuthsecError('access_denied', 'the user is not active')
      await assertSigning(key, transaction)
      await change(transaction)
      await transaction.sessions.insert(session)
      // Only now: a refusal names no token that nobody has.
      attempt.note({
        jti: session.id,
        kid: key.kid,
        token_hash: tokenHash,
        permissions: { granted: claims.scope },
      })
    })
    return { token, id: session.id, permissions: claims.scope, expiresAt: claims.exp }
  }

  // Of this run, or of another server of the store that is alive.
  async function isRunning(boot: string | undefined): Promise<boolean> {
    return boot === undefined || boot === bootId || (await store.replicas.isLive(boot))
  }

  return {
    issue,

    start(user) {
      const draft = { type: 'session.started', actor: { type: 'server', id: bootId } } as const
      return audit.attempt(draft, SERVER_ITSELF, async (attempt) => {
        const terms = { kind: 'boot', ttlSeconds: BOOT_SESSION_TTL } as const
        // What descends from the session of an earlier run ends with it.
        const { token } = await issue(user, terms, attempt, ({ sessions }) =>
          sessions.removeForeignBoots(bootId),
        )
        return token
      })
    },

    isIssued: (token) => readSession(token, { keys, tenantId }) !== undefined,

    async resume(token) {
      const said = readSession(token, { keys, tenantId })
      if (said === undefined) throw invalid()
      const { id, userId, expiresAt, mayAct } = said
      if (expiresAt <= clock() / 1000) throw invalid()
      const [stored, user] = await Promise.all([store.sessions.find(id), store.users.find(userId)])
      // A session of the activation page has an id too, but never a token.
      if (stored === undefined || stored.userId !== userId || stored.kind === 'page') throw invalid()
      if (!(await isRunning(stored.bootId))) throw invalid()
      if (user === undefined || !user.active) throw invalid()
      const holder = stored.clientId === undefined ? undefined : await store.clients.find(stored.clientId)
      if (stored.clientId !== undefined && !holder?.active) throw invalid()
      const limited = limitUser(user, stored.permissions)
      return {
        id,
        kind: stored.kind,
        user: limited,
        clientId: stored.clientId,
        act: holder && { sub: holder.spiffeId ?? holder.id, client_id: holder.id },
        ceiling: stored.permissions,
        mayAct,
        tokenType: tokenTypeOf(limited),
        startedAt: stored.createdAt,
        expiresAt,
      }
    },

    async listHeld(caller) {
      assertPerson(caller)
      return store.sessions.listHeld(caller.user.id, clock())
    },

    withdraw(id, caller, provenance) {
      const party = { type: 'user', id: caller.user.id } as const
      const draft = { type: 'session.ended', actor: party, subject: party } as const
      return audit.attempt(draft, provenance, async (attempt) => {
        assertPerson(caller)
        const held = await findById(store.sessions, id)
        if (held?.clientId === undefined || held.userId !== caller.user.id) {
          throw new AuthsecError('not_found', `no client holds a session ${quote(id)} of this user`)
        }
        attempt.note({ jti: held.id, client: held.clientId })
        await attempt.commit(({ sessions }) => sessions.remove(held.id))
      })
    },

    end({ id, user, clientId }, provenance) {
      const draft = {
        type: 'session.ended',
        actor: { type: 'user', id: user.id },
        subject: { type: 'user', id: user.id },
        client: clientId,
        jti: id,
      } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(({ sessions }) => sessions.remove(id)),
      )
    },
  }
}

/** Throws `access_denied` unless the session may use AuthSec's admin routes. */
export function assertAdmin({ user }: Session): void {
  if (!user.permissions.has(ADMIN_PERMISSION)) throw lacksPermission(ADMIN_PERMISSION)
}

/** What is told, in AuthSec's words, to whoever may not do something for want of a permission. */
export function lacksPermission(permission: string): AuthsecError {
  return new AuthsecError('access_denied', 'token is valid but lacks required permissions', {
    hint: `The permission ${permission} is required.`,
  })
}

/**
 * Whether a person has logged in to the session themselves, rather than let a program in: one by CIBA is always a
 * program's, named or not.
 */
export function isPersonal({ clientId, kind }: Pick<Session, 'clientId' | 'kind'>): boolean {
  return clientId === undefined && kind !== 'ciba'
}

// What a person has agreed to is for the person to look at and to take back, not for the program that was let in.
function assertPerson(session: Session): void {
  if (!isPersonal(session)) throw new AuthsecError('access_denied', 'a client cannot manage consents')
}

/** A user who may do no more than a session may. */
export function limitUser(user: User, ceiling: readonly string[] | undefined): User {
  if (ceiling === undefined) return user
  return { ...user, permissions: intersectPermissions(ceiling, user.permissions) }
}

function createSession(
  user: User,
  { kind, ttlSeconds, clientId, ceiling }: SessionTerms,
  now: number,
  bootId: string | undefined,
): StoredSession {
  return {
    id: randomUUID(),
    kind,
    userId: user.id,
    clientId,
    permissions: ceiling,
    bootId,
    createdAt: now,
    expiresAt: now + ttlSeconds * 1000,
  }
}

/** AuthSec's word for what a session of a user is good for. */
export function tokenTypeOf(user: User): 'admin' | 'user' {
  return user.permissions.has(ADMIN_PERMISSION) ? 'admin' : 'user'
}

function invalid(): AuthsecError {
  return new AuthsecError('login_required', 'Invalid or expired token')
}
