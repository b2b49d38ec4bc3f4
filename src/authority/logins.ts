import { AuthsecError } from '../core/errors.js'
import type { StoredPassword } from '../store/passwords.js'
import type { Store, Transaction, User } from '../store/store.js'
import { hashHandle } from './approvals.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import { type Challenge, createChallenges } from './challenges.js'
import { isPassword } from './passwords.js'
import type { Sessions, StartedSession } from './sessions.js'
import type { SigningKeys } from './signer.js'

/** What somebody shows who wants to be let in. */
export interface Credentials {
  email: string
  password: string
  /** One of `createChallenge`, good for one login. */
  challenge?: string | undefined
}

export interface Login extends StartedSession {
  user: User
  /** Whether nobody has logged in with this password before. */
  isFirst: boolean
}

export interface Logins {
  /** A value that a login may name to prove that it is not a recording; nothing is kept of it. */
  createChallenge(): Challenge
  /** What a form needs to know before it asks for a password. */
  precheck(email: string): Promise<{ exists: boolean; hasPassword: boolean }>
  /**
   * Starts a session of 24 h. Throws `invalid_credentials`, `account_locked` after three failures for 30 minutes, both
   * also for a user who is not there, and `rate_limited` when too many passwords are being checked at once.
   */
  login(credentials: Credentials, provenance: Provenance): Promise<Login>
  /**
   * Whose credentials these are, with the same refusals, within an attempt that goes on to do something with it:
   * `settle` belongs into its transaction.
   */
  authenticate(credentials: Credentials, attempt: Attempt): Promise<Authenticated>
}

export interface Authenticated {
  user: User
  isFirst: boolean
  /** Forgets the failures before. */
  settle(transaction: Transaction): Promise<void>
}

export interface LoginsOptions {
  store: Store
  audit: AuditLog
  sessions: Sessions
  clock: () => number
  /** The key of sessions. */
  keys: SigningKeys
}

/** How long a session lives that somebody logged in to, in seconds: AuthSec's 24 h. */
export const LOGIN_SESSION_TTL = 86_400

const MAX_FAILURES = 3
const LOCK_MS = 30 * 60_000
// Failures at an account count until somebody logs in to it; those at an address without one only as long as this.
const STRANGER_MS = 24 * 3_600_000
// Each check takes a thread and 32 MiB: whoever guesses in parallel is sent away instead.
const MAX_CHECKS = 8

export function createLogins({ store, audit, sessions, clock, keys }: LoginsOptions): Logins {
  const challenges = createChallenges({ store, keys, clock })
  let checks = 0

  async function inTurn<T>(check: () => Promise<T>): Promise<T> {
    if (checks >= MAX_CHECKS) {
      throw new AuthsecError('rate_limited', 'too many passwords are being checked at once', {
        retryAfterMs: 1_000,
      })
    }
    checks++
    try {
      return await check()
    } finally {
      checks--
    }
  }

  async function authenticate(
    { email, password, challenge }: Credentials,
    attempt: Attempt,
  ): Promise<Authenticated> {
    if (challenge !== undefined) await challenges.use(challenge)
    const user = await store.users.findByEmail(email)
    if (user !== undefined) attempt.note({ subject: { type: 'user', id: user.id } })
    const stored = await inTurn(async () => {
      const counted = await countAttempt(store, { email, user }, clock())
      return (await isPassword(password, counted?.hash)) ? counted : undefined
    })
    if (user === undefined || stored === undefined || !user.active) throw wrong()
    attempt.note({ actor: { type: 'user', id: user.id } })
    return {
      user,
      isFirst: stored.usedAt === undefined,
      async settle({ passwords }) {
        const current = await passwords.find(user.id)
        if (current?.hash !== stored.hash) throw wrong()
        await passwords.replace({ userId: user.id, hash: stored.hash, failures: 0, usedAt: clock() })
      },
    }
  }

  return {
    createChallenge: challenges.create,
    authenticate,

    async precheck(email) {
      const user = await store.users.findByEmail(email)
      const password = user && (await store.passwords.find(user.id))
      return { exists: user?.active === true, hasPassword: password !== undefined }
    },

    login(credentials, provenance) {
      return audit.attempt({ type: 'session.started' }, provenance, async (attempt) => {
        const { user, isFirst, settle } = await authenticate(credentials, attempt)
        const terms = { kind: 'password', ttlSeconds: LOGIN_SESSION_TTL } as const
        const started = await sessions.issue(user, terms, attempt, settle)
        return { ...started, user, isFirst }
      })
    },
  }
}

// Counted before the password is checked and forgiven afterwards: who guesses in parallel gains nothing.
function countAttempt(
  store: Store,
  { email, user }: { email: string; user: User | undefined },
  now: number,
): Promise<StoredPassword | undefined> {
  return store.write(async (transaction) => {
    const known = user && (await transaction.passwords.find(user.id))
    if (known === undefined) {
      await countStranger(transaction, email, now)
      return undefined
    }
    const counted = { ...known, ...countFailure(known, now) }
    await transaction.passwords.replace(counted)
    return counted
  })
}

// As at an account: what is locked, and when, would otherwise tell who has one. An address is the same in whatever case,
// here as there.
async function countStranger({ guesses }: Transaction, email: string, now: number): Promise<void> {
  const guesser = hashHandle(`login ${email.toLowerCase()}`)
  const { count, until } = (await guesses.find(guesser, now)) ?? { count: 0, until: 0 }
  const known = { failures: count, lockedUntil: count < MAX_FAILURES ? undefined : until }
  const { failures, lockedUntil } = countFailure(known, now)
  await guesses.replace(guesser, { count: failures, until: lockedUntil ?? now + STRANGER_MS }, now)
}

type Failures = Pick<StoredPassword, 'failures' | 'lockedUntil'>

/** What counts with one failure more. Throws `account_locked` while it counts no more. */
function countFailure({ failures, lockedUntil }: Failures, now: number): Failures {
  if (lockedUntil !== undefined && lockedUntil > now) throw locked(lockedUntil - now)
  const count = lockedUntil === undefined ? failures + 1 : 1
  return { failures: count, lockedUntil: count >= MAX_FAILURES ? now + LOCK_MS : undefined }
}

function wrong(): AuthsecError {
  return new AuthsecError('invalid_credentials', 'the e-mail address or the password is wrong')
}

function locked(retryAfterMs: number): AuthsecError {
  return new AuthsecError('account_locked', 'too many failed logins: the account is locked for 30 minutes', {
    retryAfterMs,
  })
}
