import { anySignal } from '../core/any-signal.js'
import { encodeBase64url } from '../core/base64url.js'
import {
  BOUND_CALL_TOKEN_TYPE,
  CALL_TOKEN_TYPE,
  TOKEN_TYPE_ACCESS_TOKEN,
  TOKEN_TYPE_ID_TOKEN,
} from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { sha256 } from '../core/sha256.js'
import type { Clock } from './clock.js'
import { untilAborted } from './http.js'
import { SingleFlight } from './single-flight.js'
import { createSubject, type DelegationSubject } from './subject.js'

/** Everything that is cached for one user's token, and for those that took its place. */
export interface SubjectGroup {
  /** What the keys of its tokens begin with; no other group has it, and another one follows when it is revoked. */
  prefix: string
  /** Whom the server has named; undefined before its first answer. */
  userId: string | undefined
}

/** What is known of one token of a user, by whatever subjects it is presented. */
export interface KnownToken {
  /** Tells it from the others of its group: what the server refuses to one of them it has not refused to all. */
  readonly id: string
  group: SubjectGroup
  /** Whether the server has taken it for dead when it was last asked with it. */
  isDead: boolean
}

/** What a client keeps of a subject. Holds the secret: never shown. */
export interface SubjectState {
  readonly id: string
  readonly provide: (() => Promise<string>) | undefined
  token: string | undefined
  known: KnownToken | undefined
  /** What the token before this one had, until the server has named the user of this one. */
  joins: SubjectGroup | undefined
  deadBy: AuthsecError | undefined
}

/** A user's token and what is cached for it. */
export interface SubjectToken {
  readonly token: string
  readonly known: KnownToken
  readonly group: SubjectGroup
  /** That of the group when the token was read: what was asked for before a revocation finds no place after it. */
  readonly prefix: string
}

/** What all keys of tokens for users begin with, and no others. */
export const SUBJECT_KEY_MARK = 'u'

const CAPACITY = 1_000

/**
 * The users a client acts for. Tokens are told apart by the SHA-256 of the whole of them: what an unverified token says
 * of its user decides nothing, so a forged one finds nothing that belongs to somebody else.
 */
export class Subjects {
  readonly #clock: Clock
  readonly #states = new WeakMap<DelegationSubject, SubjectState>()
  readonly #tokens = new Map<string, KnownToken>()
  readonly #providing = new SingleFlight<string>()
  #created = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A subject of a token, or of a function that returns the current one whenever the server has to be asked. With a
   * user id it is dead as soon as the server names anybody else for the token.
   */
  create(userToken: string | (() => Promise<string>), userId?: string): DelegationSubject {
    const state: SubjectState = {
      id: String(++this.#created),
      provide: typeof userToken === 'function' ? userToken : undefined,
      token: undefined,
      known: undefined,
      joins: undefined,
      deadBy: undefined,
    }
    if (typeof userToken !== 'function') this.#adopt(state, userToken)
    if (state.known !== undefined && userId !== undefined) state.known.group.userId = userId
    const subject = createSubject((next) => this.#adopt(state, next))
    this.#states.set(subject, state)
    return subject
  }

  /** What is kept of a subject; throws `request_invalid` for one that this client has not made. */
  find(subject: DelegationSubject): SubjectState {
    const state = this.#states.get(subject)
    if (state !== undefined) return state
    throw new AuthsecError('request_invalid', 'the subject was not made by this client', {
      hint: "Make it with the client's own subject(): a text or another client's subject is none.",
    })
  }

  /**
   * The user's current token; throws `subject_mismatch` where the subject is dead, what its function throws, and
   * `timed_out` where that has not answered at the deadline.
   */
  async readToken(
    state: SubjectState,
    signal: AbortSignal | undefined,
    deadline: number,
  ): Promise<SubjectToken> {
    const { provide } = state
    if (provide !== undefined) {
      const run = (flight: AbortSignal) => this.#askProgram(provide, flight, deadline)
      const token = await this.#providing.join(state.id, run, { signal })
      if (token === undefined || token !== state.token) this.#adopt(state, token)
    }
    this.assertAlive(state)
    // Together, because the subject may be given another token before the caller goes on.
    const { token, known } = state as { token: string; known: KnownToken }
    const { group } = known
    return { token, known, group, prefix: group.prefix }
  }

  /** Throws `subject_mismatch` once the server has named another user for the newest token, whoever asked about it. */
  assertAlive(state: SubjectState): void {
    this.#join(state)
    if (state.deadBy !== undefined) throw state.deadBy
  }

  /**
   * The server has answered an exchange of exactly this token and named its user. Throws `subject_mismatch` when that
   * is not the user of what is cached in the group, which is dead from then on.
   */
  confirm(state: SubjectState, group: SubjectGroup, known: KnownToken, userId: string): void {
    const groups = [group, known.group]
    const isOther = groups.some((each) => each.userId !== undefined && each.userId !== userId)
    if (isOther) throw this.#kill(state)
    for (const each of groups) each.userId = userId
    known.isDead = false
    this.#join(state)
  }

  /** Lets everything that was cached for a subject be out of reach, and returns what the keys of it begin with. */
  revoke(state: SubjectState): string[] {
    const groups = [state.known?.group, state.joins].filter((group) => group !== undefined)
    return groups.map((group) => {
      const { prefix } = group
      group.prefix = this.#newPrefix()
      return prefix
    })
  }

  close(reason: AuthsecError): void {
    this.#providing.close(reason)
    this.#tokens.clear()
  }

  #askProgram(provide: () => Promise<string>, signal: AbortSignal, deadline: number): Promise<string> {
    const late = new AbortController()
    const cancel = this.#clock.after(Math.max(0, deadline - this.#clock.monotonic()), () => {
      late.abort(new AuthsecError('timed_out', "the function that gives the user's token took too long"))
    })
    const given = Promise.resolve().then(provide)
    return untilAborted(given, anySignal([signal, late.signal])).finally(cancel)
  }

  #adopt(state: SubjectState, token: string): void {
    if (typeof token !== 'string' || token === '') {
      throw new AuthsecError('request_invalid', "the user's token is not a text with something in it")
    }
    const hash = hashToken(token)
    const known = this.#tokens.get(hash) ?? this.#createKnown()
    this.#remember(hash, known)
    const current = state.known?.group
    // Of two tokens that were never used the older one has nothing to hand on.
    const before = current?.userId === undefined ? (state.joins ?? current) : current
    state.joins = before === known.group ? undefined : before
    state.known = known
    state.token = token
    this.#join(state)
  }

  // Both users are known: the new token is of the same one and takes over what is cached, or the subject is dead.
  #join(state: SubjectState): void {
    const { known, joins } = state
    if (known?.group.userId === undefined || joins?.userId === undefined) return
    if (joins.userId !== known.group.userId) {
      this.#kill(state)
      return
    }
    state.joins = undefined
    known.group = joins
  }

  #kill(state: SubjectState): AuthsecError {
    state.deadBy = new AuthsecError('subject_mismatch', 'the server names another user for the newer token', {
      hint: 'Make a subject for each user: rotate() is for newer tokens of the same one.',
    })
    state.token = undefined
    state.joins = undefined
    return state.deadBy
  }

  #createKnown(): KnownToken {
    const group = { prefix: this.#newPrefix(), userId: undefined }
    return { id: String(++this.#created), group, isDead: false }
  }

  #newPrefix(): string {
    return `${SUBJECT_KEY_MARK}${++this.#created}|`
  }

  #remember(hash: string, known: KnownToken): void {
    this.#tokens.delete(hash)
    this.#tokens.set(hash, known)
    const [oldest] = this.#tokens.keys()
    if (this.#tokens.size > CAPACITY && oldest !== undefined) this.#tokens.delete(oldest)
  }
}

/**
 * As what a user's token is presented (RFC 8693 §3): a call token of the hop before as an access token, everything else
 * as a session. The server checks it as that and as nothing else.
 */
export function tokenTypeOf(userToken: string): string {
  try {
    const { typ } = parseJwt(userToken).header
    const isCallToken = typ === CALL_TOKEN_TYPE || typ === BOUND_CALL_TOKEN_TYPE
    return isCallToken ? TOKEN_TYPE_ACCESS_TOKEN : TOKEN_TYPE_ID_TOKEN
  } catch {
    return TOKEN_TYPE_ID_TOKEN
  }
}

function hashToken(token: string): string {
  return encodeBase64url(sha256(new TextEncoder().encode(token)))
}
