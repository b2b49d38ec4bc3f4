import { GRANT_TYPE_CIBA } from '../core/claims.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { type ApprovalQuestion, formatQuestionKey, readApprovalQuestion } from './approval-question.js'
import type { ApprovalRequest } from './approval-request.js'
import type { BaseTokens } from './base-tokens.js'
import type { ClientContext } from './client-context.js'
import { invalidResponse } from './grant.js'
import { type HttpAnswer, pause } from './http.js'
import { readSuccess } from './refusal.js'
import type { DelegationRequest } from './request.js'
import { SingleFlight } from './single-flight.js'
import type { DelegationSubject } from './subject.js'
import type { Subjects } from './subjects.js'

/** A question that was put to a person. */
export interface Approval {
  /** Until when the person can answer, by the clock of this machine. */
  readonly expiresAt: Date
  /**
   * Waits for the answer: the person as a subject that may do what was asked for, and no more. However many wait, the
   * server is asked once, and no more often than it allows. Rejects with `approval_rejected`, `expired_token`,
   * `invalid_grant` where the answer was lost on its way, `closed`, an `AbortError` when the signal fires, and what
   * getting a token rejects with when asking again changes nothing.
   */
  settled(options?: { signal?: AbortSignal | undefined }): Promise<DelegationSubject>
}

/** A question under way. Holds what the answer is fetched with: never shown. */
interface Waiting {
  readonly authReqId: string
  readonly tokenEndpoint: string
  readonly issuer: string
  /** Whom the answer has to be of, where that is known. */
  readonly userId: string | undefined
  /** Moments of the monotonic clock. */
  readonly until: number
  nextPollAt: number
  intervalMs: number
  /** Whether the server has not been heard since it may have given the answer, which it gives once. */
  mayBeLost: boolean
  outcome: { subject: DelegationSubject } | { error: unknown } | undefined
}

/** Who is asked, and for whom. */
interface Person {
  readonly hint: string
  /** Whom the answer has to be of, where that is known. */
  readonly userId: string | undefined
  readonly onBehalfOf: string
}

/** Gets a token, only to find out whom the server names as its user. */
type LearnUser = (request: DelegationRequest) => Promise<unknown>

// Too short to be kept: nobody gets this token.
const LEARNING_TTL_S = 4
const LEAST_INTERVAL_S = 5
const SLOW_DOWN_MS = 5_000

/** Asks people for approval (OpenID CIBA Core, poll mode): each question once, and its answer for all who wait for it. */
export class Approvals {
  readonly #context: ClientContext
  readonly #bases: BaseTokens
  readonly #subjects: Subjects
  readonly #learn: LearnUser
  readonly #asking = new SingleFlight<Waiting>()
  readonly #polling = new SingleFlight<DelegationSubject>()
  readonly #waiting = new Map<string, Waiting>()

  constructor(context: ClientContext, bases: BaseTokens, subjects: Subjects, learn: LearnUser) {
    this.#context = context
    this.#bases = bases
    this.#subjects = subjects
    this.#learn = learn
  }

  /** Puts a question to a person, or joins the same one that waits for its answer. */
  async request(request: ApprovalRequest): Promise<Approval> {
    const { options, newDeadline } = this.#context
    const { clock } = options
    const question = readApprovalQuestion(request)
    const deadline = newDeadline()
    const person = await this.#findPerson(question, deadline)
    const key = formatQuestionKey(question, person.hint, person.onBehalfOf)
    const known = this.#waiting.get(key)
    const waiting =
      known !== undefined && clock.monotonic() < known.until
        ? known
        : await this.#asking.join(key, (flight) => this.#ask(key, question, person, flight, deadline), {
            signal: question.signal,
          })
    return Object.freeze({
      expiresAt: new Date(clock.wall() + waiting.until - clock.monotonic()),
      settled: ({ signal }: { signal?: AbortSignal | undefined } = {}) => this.#settle(key, waiting, signal),
    })
  }

  close(reason: AuthsecError): void {
    this.#asking.close(reason)
    this.#polling.close(reason)
    this.#waiting.clear()
  }

  async #findPerson(question: ApprovalQuestion, deadline: number): Promise<Person> {
    const { user, subject, signal } = question
    if (subject !== undefined) return this.#findUser(question, subject)
    if (user !== undefined) return { hint: user, userId: undefined, onBehalfOf: '' }
    const forBase = { signal, minValidityMs: 0, forceRefresh: false }
    const { userId } = (await this.#bases.obtain(forBase, deadline)).grant
    return { hint: userId, userId, onBehalfOf: '' }
  }

  async #findUser(
    { user, audience, permissions, signal }: ApprovalQuestion,
    subject: DelegationSubject,
  ): Promise<Person> {
    const state = this.#subjects.find(subject)
    const readUser = () => state.known?.group.userId
    // Compared first: the newest token of a subject may be somebody else's, who has nothing to do with the question.
    this.#subjects.assertAlive(state)
    if (user !== undefined) return { hint: user, userId: undefined, onBehalfOf: readUser() ?? `#${state.id}` }
    // What the user's token says of itself decides nothing: it might make us ask somebody else.
    if (readUser() === undefined && audience !== undefined) {
      await this.#learn({ audience, permissions, subject, signal, ttlSeconds: LEARNING_TTL_S })
    }
    const userId = readUser()
    if (userId !== undefined) return { hint: userId, userId, onBehalfOf: userId }
    throw new AuthsecError('request_invalid', 'nobody has named the person to ask', {
      hint: 'Name the audience, so that the server can be asked whom this subject stands for, or the user.',
    })
  }

  async #ask(
    key: string,
    { permissions, message, expiresInSeconds }: ApprovalQuestion,
    { hint, userId }: Person,
    signal: AbortSignal,
    deadline: number,
  ): Promise<Waiting> {
    const { options, http, discovery, emit } = this.#context
    const { approvalEndpoint, tokenEndpoint, issuer } = await discovery.read(signal, deadline)
    if (approvalEndpoint === undefined || tokenEndpoint === undefined) {
      const { origin } = options.serverUrl
      throw new AuthsecError('approval_unsupported', `${origin} asks nobody for approval`, {
        hint: 'Approval needs a server whose metadata names a backchannel_authentication_endpoint.',
      })
    }
    const form = new URLSearchParams({
      client_id: options.clientId,
      login_hint: hint,
      scope: permissions.join(' '),
      binding_message: message,
    })
    if (expiresInSeconds !== undefined) form.set('requested_expiry', String(expiresInSeconds))
    const { authReqId, lifeMs, intervalMs, askedAt } = await http.send(
      {
        url: approvalEndpoint,
        // One for all attempts: a person is not asked twice because an answer was lost.
        headers: { 'idempotency-key': crypto.randomUUID() },
        form,
        authenticate: this.#prove(issuer),
      },
      { signal, deadline },
      readQuestionAnswer,
    )
    const until = askedAt.monotonic + lifeMs
    const waiting: Waiting = {
      authReqId,
      tokenEndpoint,
      issuer,
      userId,
      until,
      intervalMs,
      // Somebody may have answered at once.
      nextPollAt: 0,
      mayBeLost: false,
      outcome: undefined,
    }
    for (const [other, { until: end }] of this.#waiting) {
      if (end <= options.clock.monotonic()) this.#waiting.delete(other)
    }
    this.#waiting.set(key, waiting)
    emit({ type: 'approval.requested', expiresAt: new Date(askedAt.wall + lifeMs) })
    return waiting
  }

  async #settle(key: string, waiting: Waiting, signal: AbortSignal | undefined): Promise<DelegationSubject> {
    if (waiting.outcome === undefined) {
      const poll = (flight: AbortSignal) => this.#pollUntilAnswered(key, waiting, flight)
      return this.#polling.join(waiting.authReqId, poll, { signal })
    }
    if ('error' in waiting.outcome) throw waiting.outcome.error
    return waiting.outcome.subject
  }

  async #pollUntilAnswered(key: string, waiting: Waiting, signal: AbortSignal): Promise<DelegationSubject> {
    const { emit } = this.#context
    try {
      const token = await this.#pollForToken(waiting, signal)
      const subject = this.#subjects.create(token, waiting.userId)
      waiting.outcome = { subject }
      emit({ type: 'approval.settled', outcome: 'approved' })
      return subject
    } catch (error) {
      if (!AuthsecError.is(error) || error.code === 'closed') throw error
      waiting.outcome = { error }
      const outcome = OUTCOMES.get(error.code)
      if (outcome !== undefined) emit({ type: 'approval.settled', outcome })
      throw error
    } finally {
      // An answer is good for what it was given for: whoever asks the same again, asks the person again.
      if (waiting.outcome !== undefined && this.#waiting.get(key) === waiting) this.#waiting.delete(key)
    }
  }

  async #pollForToken(waiting: Waiting, signal: AbortSignal): Promise<string> {
    const { clock } = this.#context.options
    for (;;) {
      const tooSoon = waiting.nextPollAt - clock.monotonic()
      if (tooSoon > 0) await pause(clock, tooSoon, signal)
      if (clock.monotonic() >= waiting.until) throw waiting.mayBeLost ? lost() : unanswered()
      waiting.nextPollAt = clock.monotonic() + waiting.intervalMs
      try {
        return await this.#poll(waiting, signal)
      } catch (error) {
        if (!AuthsecError.is(error)) throw error
        if (error.code === 'slow_down') waiting.intervalMs += SLOW_DOWN_MS
        if (PENDING.has(error.code)) waiting.mayBeLost = false
        else if (UNHEARD.has(error.code)) waiting.mayBeLost = true
        else if (!error.retryable) throw describeEnd(error, waiting.mayBeLost)
        const pauseMs = Math.max(waiting.intervalMs, error.retryAfterMs ?? 0)
        waiting.nextPollAt = clock.monotonic() + pauseMs
      }
    }
  }

  async #poll(waiting: Waiting, signal: AbortSignal): Promise<string> {
    const { authReqId, tokenEndpoint, issuer } = waiting
    const { options, http, newDeadline } = this.#context
    const form = new URLSearchParams({
      grant_type: GRANT_TYPE_CIBA,
      auth_req_id: authReqId,
      client_id: options.clientId,
    })
    const request = { url: tokenEndpoint, form, authenticate: this.#prove(issuer) }
    return http.send(request, { signal, deadline: newDeadline() }, (answer) => {
      waiting.mayBeLost ||= answer.isRepeated
      return readApprovedToken(answer)
    })
  }

  #prove(issuer: string) {
    const { authenticate } = this.#context.options
    return authenticate && (() => authenticate(issuer))
  }
}

const OUTCOMES = new Map([
  ['approval_rejected', 'rejected'],
  ['expired_token', 'expired'],
  ['invalid_grant', 'lost'],
] as const) as ReadonlyMap<string, 'rejected' | 'expired' | 'lost'>
const PENDING: ReadonlySet<ErrorCode> = new Set(['authorization_pending', 'slow_down'])
const UNHEARD: ReadonlySet<ErrorCode> = new Set(['network', 'timed_out', 'server_error'])

function readApprovedToken(answer: HttpAnswer): string {
  const { access_token: token } = readSuccess(answer)
  if (typeof token === 'string' && token !== '') return token
  throw invalidResponse('the answer to an approval holds no token')
}

function readQuestionAnswer(answer: HttpAnswer) {
  const { auth_req_id: authReqId, expires_in: seconds, interval = LEAST_INTERVAL_S } = readSuccess(answer)
  if (typeof authReqId !== 'string' || authReqId === '') {
    throw invalidResponse('the answer names no auth_req_id')
  }
  if (typeof seconds !== 'number' || !(seconds > 0)) throw invalidResponse('the answer has no expires_in')
  if (typeof interval !== 'number') throw invalidResponse('the interval of the answer is not a number')
  const intervalMs = Math.max(interval, LEAST_INTERVAL_S) * 1000
  return { authReqId, lifeMs: seconds * 1000, intervalMs, askedAt: answer.askedAt }
}

// CIBA §11 in the words of who waits for a person rather than for a token.
function describeEnd(error: AuthsecError, mayBeLost: boolean): AuthsecError {
  const { auditId, requestId } = error
  if (error.code === 'access_denied') {
    return new AuthsecError('approval_rejected', 'the person who was asked has said no', {
      auditId,
      requestId,
    })
  }
  // It says no more than that the question is gone: with an answer that did not get here, or unanswered.
  if (error.code === 'invalid_grant') return mayBeLost ? lost() : unanswered()
  return error.code === 'expired_token' ? unanswered() : error
}

function lost(): AuthsecError {
  const message = 'the answer to the request for approval was lost on its way, whatever it was'
  return new AuthsecError('invalid_grant', message, {
    hint: 'Ask again: a token is given for an approval only once, and nobody has this one.',
  })
}

function unanswered(): AuthsecError {
  return new AuthsecError('expired_token', 'nobody has answered the request for approval in time', {
    hint: 'Ask again when the person can answer.',
  })
}
