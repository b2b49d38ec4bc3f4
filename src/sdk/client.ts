import { anySignal } from '../core/any-signal.js'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, readChoice } from '../core/option-checks.js'
import { assertNarrower } from '../core/permission.js'
import { type ApprovalRequest, copyApprovalRequest } from './approval-request.js'
import type { Approval, Approvals } from './approvals.js'
import { BaseTokens } from './base-tokens.js'
import { mayBeKept } from './call-key.js'
import { CallTokens } from './call-tokens.js'
import { type ClientContext, createClientContext } from './client-context.js'
import { createDelegatedFetch, type DelegatedFetchOptions } from './delegated-fetch.js'
import type { DelegationToken } from './delegation-token.js'
import { createExchanger, type Exchanger } from './exchanger.js'
import { type AuthsecClientOptions, type ResolvedOptions, resolveOptions } from './options.js'
import {
  type CallRequest,
  copyRequest,
  type DelegationRequest,
  type RequestMembers,
  readRequest,
} from './request.js'
import { throwIfAborted } from './single-flight.js'
import type { DelegationSubject } from './subject.js'
import { SubjectTokens } from './subject-tokens.js'
import { Subjects } from './subjects.js'
import type { StoredToken } from './token-cache.js'
import type { IssuedToken, ObtainOptions } from './token-source.js'

/** Gets delegation tokens for one agent from one server, and keeps them as long as they are good. */
export interface AuthsecClient {
  /**
   * A token for a request; without one, the agent's base token. Answers from the cache where it can, and asks
   * the server once however many callers want the same token at the same time.
   *
   * Rejects with an `AuthsecError`: `request_invalid`; `no_delegation`, `delegation_expired`,
   * `client_not_found`; `invalid_scope`, `invalid_target`, `access_denied` and the other codes of RFC 6749 and
   * 8693; `exchange_unsupported`; `grant_widened`, `token_response_invalid`, `issuer_mismatch`; `network`,
   * `timed_out`, `rate_limited`, `server_error`, `temporarily_unavailable`, which may pass; `closed`. Rejects
   * with an `AbortError` when the request's own signal fires.
   */
  getDelegationToken(request?: DelegationRequest): Promise<DelegationToken>
  /** What `getDelegationToken` would answer without waiting, or undefined. Never touches the network. */
  peek(request?: DelegationRequest): DelegationToken | undefined
  /**
   * A `fetch` for one API: it gets the token of the request with each call, sends it to the API's own origins only, and
   * answers a 401 with one new token where the call can be repeated. Throws `request_invalid` without an audience, and
   * `configuration` where it is not known which origins are the API's.
   */
  fetch(request: DelegationRequest, options?: DelegatedFetchOptions): typeof globalThis.fetch
  /**
   * Stands for a user by a token of theirs (a session of this server, or the call token of the hop before), or by a
   * function that returns the current one: pass it as `subject` of a request. A function stands for one user, always the
   * same, and is not asked while a token that is cached for that user is good: make a subject for each user, rather
   * than a function that looks up who is signed in now. It has as long as the call it is asked for
   * (`http.totalTimeoutMs`). Throws `request_invalid`.
   */
  subject(userToken: string | (() => Promise<string>)): DelegationSubject
  /**
   * Asks a person for approval where a delegation is not enough: resolves as soon as the question is put, with the
   * means to wait for the answer, which is a subject for `getDelegationToken`. Rejects with `request_invalid`,
   * `approval_unsupported`, `unknown_user_id`, and what getting a token rejects with.
   */
  requestApproval(request: ApprovalRequest): Promise<Approval>
  /** Forgets everything that was cached for a user; what is being fetched is still handed out, and not kept. */
  revokeSubject(subject: DelegationSubject): void
  /** Drops a token that an API rejected; one that has been replaced meanwhile is left alone. */
  invalidate(token: DelegationToken): void
  stats(): CacheStats
  /** Stops what is under way, drops all tokens and rejects later calls with `closed`. */
  close(): Promise<void>
}

/** What the cache holds and has done since the client was made. */
export interface CacheStats {
  /** Tokens kept now, the base token included. */
  readonly entries: number
  /** Calls that were answered at once. */
  readonly hits: number
  /** Calls that had to wait. */
  readonly misses: number
  /** Good tokens that had to make room. */
  readonly evictions: number
  /** Base tokens read from the server. */
  readonly pulls: number
  /** Call tokens issued by the server. */
  readonly exchanges: number
  /** Tokens being fetched now. */
  readonly underWay: number
  /** Exchanges that wait for others to end. */
  readonly queued: number
  /** Refusals that are remembered now. */
  readonly denials: number
}

/**
 * Makes a client. Nothing is sent before the first token is asked for. Throws `configuration` naming the option
 * that is wrong.
 */
export function createAuthsecClient(options: AuthsecClientOptions): AuthsecClient {
  return new Client(resolveOptions(options))
}

// Made so recently, a token that an API refuses has no better successor.
const NEW_MS = 1_000
const NO_REQUEST: DelegationRequest = Object.freeze({})

class Client implements AuthsecClient {
  readonly #context: ClientContext
  readonly #bases: BaseTokens
  readonly #calls: CallTokens
  readonly #exchanger: Exchanger
  readonly #subjects: Subjects
  readonly #forSubjects: SubjectTokens
  #approvals: Approvals | undefined
  /** Until when narrower requests get the base token, by the monotonic clock; 0 before that has turned out. */
  #baseOnlyUntil = 0
  #isClosed = false
  #hits = 0
  #misses = 0

  constructor(options: ResolvedOptions) {
    this.#context = createClientContext(options)
    this.#exchanger = createExchanger(this.#context)
    // What was made from a base token goes with it.
    this.#bases = new BaseTokens(this.#context, () => this.#calls.forgetBase())
    this.#calls = new CallTokens(this.#context, this.#bases, this.#exchanger)
    this.#subjects = new Subjects(options.clock)
    this.#forSubjects = new SubjectTokens(this.#context, this.#calls.source, this.#exchanger, this.#subjects)
  }

  // Not async: what is kept has a promise already.
  getDelegationToken(request: DelegationRequest = NO_REQUEST): Promise<DelegationToken> {
    try {
      return this.#answer(this.#read(request))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  peek(request: DelegationRequest = NO_REQUEST): DelegationToken | undefined {
    return this.#look(this.#read(request), false)?.token
  }

  fetch(request: DelegationRequest, options: DelegatedFetchOptions = {}): typeof globalThis.fetch {
    assertMembers('the options of a fetch', options, { fetch: 1, replay: 1, onToken: 1 })
    const { audiences, fetch } = this.#context.options
    const asked = this.#read(request)
    const { call } = readRequest(asked)
    // What a caller does to its lists later changes nothing: the origins are those of this request.
    const copied = { ...asked, permissions: call?.permissions, call: call?.args }
    const { fetch: send = fetch, replay = 'safe', onToken } = options
    return createDelegatedFetch({
      origins: audiences.originsOf(call?.audience),
      send,
      replay: readChoice('replay', replay, ['safe', 'always']),
      onToken,
      getToken: async (signal) => this.#answer(withSignal(copied, signal)),
      isNew: (token) => (this.#calls.source.ageOf(token) ?? Number.POSITIVE_INFINITY) < NEW_MS,
      invalidate: (token) => this.invalidate(token),
      emit: this.#context.emit,
    })
  }

  subject(userToken: string | (() => Promise<string>)): DelegationSubject {
    return this.#subjects.create(userToken)
  }

  async requestApproval(request: ApprovalRequest): Promise<Approval> {
    if (this.#isClosed) throw closedError()
    // Before anything is loaded: what is asked for is what the caller says now.
    const asked = copyApprovalRequest(request)
    throwIfAborted(asked.signal)
    return (await this.#loadApprovals()).request(asked)
  }

  revokeSubject(subject: DelegationSubject): void {
    for (const prefix of this.#subjects.revoke(this.#subjects.find(subject))) {
      this.#calls.source.forgetGroup(prefix)
    }
    this.#context.emit({ type: 'subject.revoked' })
  }

  invalidate(token: DelegationToken): void {
    if (!this.#bases.invalidate(token)) this.#calls.source.invalidate(token)
  }

  stats(): CacheStats {
    const bases = this.#bases.source.stats()
    const calls = this.#calls.source.stats()
    return {
      entries: bases.entries + calls.entries,
      hits: this.#hits,
      misses: this.#misses,
      evictions: calls.evictions,
      pulls: bases.fetches,
      exchanges: calls.fetches,
      underWay: bases.underWay + calls.underWay,
      queued: this.#exchanger.queued,
      denials: bases.denials + calls.denials,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const reason = closedError()
    this.#bases.close(reason)
    this.#calls.close(reason)
    this.#subjects.close(reason)
    this.#approvals?.close(reason)
    this.#context.discovery.close(reason)
  }

  toJSON(): object {
    const { serverUrl, clientId } = this.#context.options
    return { serverUrl: serverUrl.href, clientId }
  }

  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `AuthsecClient ${inspect(this.toJSON(), options)}`
  }

  #answer(asked: RequestMembers): Promise<DelegationToken> {
    const kept = this.#look(asked, true)
    if (kept === undefined) return this.#acquire(asked)
    this.#hits++
    return kept.answer
  }

  #read(request: DelegationRequest): RequestMembers {
    const asked = copyRequest(request)
    asked.audience = this.#context.options.audiences.resolve(asked.audience)
    return asked
  }

  // The way of nearly every call: nothing is awaited or hashed.
  #look(request: RequestMembers, mayRefresh: boolean): StoredToken | undefined {
    const { audience, permissions, tool, binding, ttlSeconds, minValidityMs = 0 } = request
    const { subject, signal, forceRefresh } = request
    if (forceRefresh || signal?.aborted) return undefined
    if (audience === undefined) {
      const isPlain = permissions === undefined && tool === undefined && ttlSeconds === undefined
      return isPlain && mayBeKept(request) && binding === undefined && subject === undefined
        ? this.#bases.look(minValidityMs, mayRefresh)
        : undefined
    }
    if (subject !== undefined) {
      return this.#forSubjects.look(request, this.#subjects.find(subject), mayRefresh)
    }
    const until = this.#baseOnlyUntil
    if (until === 0 || this.#context.options.clock.monotonic() >= until) {
      return this.#calls.look(request, mayRefresh)
    }
    const call = readRequest(request).call as CallRequest
    if (isConditional(call)) return undefined
    const wanted = call.permissions ?? []
    const base = this.#bases.look(minValidityMs, mayRefresh)
    return wanted.every((permission) => base?.grant.permissions.includes(permission)) ? base : undefined
  }

  async #acquire(request: RequestMembers): Promise<DelegationToken> {
    if (this.#isClosed) throw closedError()
    throwIfAborted(request.signal)
    const checked = readRequest(request)
    this.#misses++
    const deadline = this.#context.newDeadline()
    const { call } = checked
    if (call === undefined) return (await this.#bases.obtain(checked, deadline)).token
    if (checked.subject !== undefined) {
      const state = this.#subjects.find(checked.subject)
      const issued = await this.#forSubjects.obtain(state, call, checked, deadline)
      if (issued === undefined) throw this.#unsupported('A token of another user cannot be had there.')
      return issued.token
    }
    const issued = await this.#calls.obtain(call, checked, deadline)
    return (issued ?? (await this.#settleForBase(call, checked, deadline))).token
  }

  async #settleForBase(call: CallRequest, checked: ObtainOptions, deadline: number): Promise<IssuedToken> {
    const { options, discovery, emit } = this.#context
    if (options.narrow === 'required' || options.transport === 'exchange' || isConditional(call)) {
      throw this.#unsupported(
        isConditional(call)
          ? 'A binding cannot be had there, and is never dropped.'
          : "With narrow: 'best-effort' and transport: 'auto' the agent's base token is used instead.",
      )
    }
    const base = await this.#bases.obtain(checked, deadline)
    assertNarrower(new Set(call.permissions), new Set(base.grant.permissions))
    if (this.#baseOnlyUntil === 0) emit({ type: 'exchange.unsupported', audience: call.audience })
    this.#baseOnlyUntil = options.transport === 'pull' ? Number.POSITIVE_INFINITY : discovery.noneUntil
    return base
  }

  async #loadApprovals(): Promise<Approvals> {
    const { Approvals } = await import('./on-demand.js')
    if (this.#isClosed) throw closedError()
    this.#approvals ??= new Approvals(this.#context, this.#bases, this.#subjects, (request) =>
      this.getDelegationToken(request),
    )
    return this.#approvals
  }

  #unsupported(hint: string): AuthsecError {
    const { origin } = this.#context.options.serverUrl
    return new AuthsecError('exchange_unsupported', `${origin} issues no call tokens`, { hint })
  }
}

function withSignal(request: RequestMembers, signal: AbortSignal | undefined): RequestMembers {
  if (signal === undefined) return request
  return { ...request, signal: request.signal ? anySignal([request.signal, signal]) : signal }
}

// What the base token can never stand in for.
function isConditional({ bind, oneTime }: CallRequest): boolean {
  return bind.length > 0 || oneTime
}

function closedError(): AuthsecError {
  return new AuthsecError('closed', 'the client is closed')
}
