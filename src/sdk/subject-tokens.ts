import { AuthsecError } from '../core/errors.js'
import { createKeyOfRequest, formatCheckedKey } from './call-key.js'
import type { ClientContext } from './client-context.js'
import type { Exchanger } from './exchanger.js'
import { type CallRequest, isForOneCall, type RequestMembers, readRequest } from './request.js'
import {
  type KnownToken,
  type SubjectGroup,
  type SubjectState,
  type Subjects,
  type SubjectToken,
  tokenTypeOf,
} from './subjects.js'
import type { StoredToken } from './token-cache.js'
import type { Ask, IssuedToken, ObtainOptions, TokenSource } from './token-source.js'

/** The call tokens that were made from the tokens of users. */
export class SubjectTokens {
  readonly #context: ClientContext
  readonly #source: TokenSource
  readonly #exchanger: Exchanger
  readonly #subjects: Subjects
  readonly #keyOf = createKeyOfRequest()

  constructor(context: ClientContext, source: TokenSource, exchanger: Exchanger, subjects: Subjects) {
    this.#context = context
    this.#source = source
    this.#exchanger = exchanger
    this.#subjects = subjects
  }

  /** The kept token of a request that has not been checked, for this user. */
  look(request: RequestMembers, state: SubjectState, mayRefresh: boolean): StoredToken | undefined {
    const known = findUsable(state)
    const key = known && this.#keyOf(known.group.prefix, request)
    if (known === undefined || key === undefined) return undefined
    const { minValidityMs = 0 } = request
    const kept = this.#source.look(key, minValidityMs)
    if (kept?.isAging && mayRefresh) this.#renew(key, kept, state, known, request)
    return kept
  }

  /**
   * The call token of a request for this user; undefined where none can be had. Rejects as `exchangeToken` and
   * `readMetadata` throw, with `subject_expired` where the server no longer takes the user's token, and with
   * `subject_mismatch`.
   */
  async obtain(
    state: SubjectState,
    call: CallRequest,
    options: ObtainOptions,
    deadline: number,
  ): Promise<IssuedToken | undefined> {
    const { signal, minValidityMs, forceRefresh } = options
    const { discovery, options: client } = this.#context
    if (client.transport === 'pull') return undefined
    const answers = await Promise.all([
      discovery.read(signal, deadline),
      this.#subjects.readToken(state, signal, deadline),
    ]).catch((error: unknown) => this.#serveStale(error, state, call, options))
    if ('token' in answers) return answers
    const [metadata, current] = answers
    const tokenEndpoint = this.#exchanger.findEndpoint(metadata, call)
    if (tokenEndpoint === undefined) return undefined

    const { known, group, prefix } = current
    if (!forceRefresh) this.#source.denials.assertNone(formatDeadKey(known))
    const key = formatCheckedKey(prefix, call)
    const ask = this.#ask(state, async () => current, tokenEndpoint, call, deadline)
    const kept = forceRefresh || known.isDead ? undefined : this.#source.look(key, minValidityMs)
    const obtain = isForOneCall(call) ? 'obtainAlone' : 'obtain'
    const issued = kept ?? (await this.#source[obtain](key, ask, options, known.id))
    // The answer may have shown that this token is of another user than the one before.
    this.#subjects.assertAlive(state)
    if (group.prefix === prefix) this.#source.move(key, formatCheckedKey(known.group.prefix, call))
    else this.#source.forget(key)
    return issued
  }

  // Where the user's token cannot be had for now, as where its server cannot be asked.
  #serveStale(error: unknown, state: SubjectState, call: CallRequest, options: ObtainOptions): IssuedToken {
    const known = findUsable(state)
    if (known === undefined) throw error
    return this.#source.serveStale(error, formatCheckedKey(known.group.prefix, call), options)
  }

  #ask(
    state: SubjectState,
    read: (signal: AbortSignal) => Promise<SubjectToken>,
    tokenEndpoint: string,
    call: CallRequest,
    deadline: number,
  ): Ask {
    return async (signal) => {
      const { token, known, group } = await read(signal)
      try {
        const subject = { token, tokenType: tokenTypeOf(token) }
        const grant = await this.#exchanger.exchange(tokenEndpoint, subject, call, { signal, deadline })
        this.#subjects.confirm(state, group, known, grant.userId)
        return grant
      } catch (error) {
        throw AuthsecError.is(error, 'invalid_grant') ? this.#bury(state, known, error) : error
      }
    }
  }

  // On its own, because a function that is made anywhere in `look` would cost each call of it.
  #renew(
    key: string,
    kept: StoredToken,
    state: SubjectState,
    known: KnownToken,
    request: RequestMembers,
  ): void {
    this.#source.renew(key, kept, () => this.#askAgain(state, known.group, request), known.id)
  }

  #askAgain(state: SubjectState, group: SubjectGroup, request: RequestMembers): Ask | undefined {
    const { call } = readRequest(request)
    const { discovery, newDeadline } = this.#context
    const deadline = newDeadline()
    const tokenEndpoint = discovery.known?.tokenEndpoint
    if (call === undefined || tokenEndpoint === undefined) return undefined
    // What is kept is renewed with the newest token of its user; `confirm` sees to it that it is the same one.
    const read = async (signal: AbortSignal) => {
      return { ...(await this.#subjects.readToken(state, signal, deadline)), group }
    }
    return this.#ask(state, read, tokenEndpoint, call, deadline)
  }

  // The token is dead: nothing is asked with it any more, and as long as no newer one has taken its place, nothing that
  // was made for its user is handed out either.
  #bury(state: SubjectState, known: KnownToken, refusal: AuthsecError): AuthsecError {
    const { message, auditId, requestId } = refusal
    const error = new AuthsecError('subject_expired', message, {
      hint: 'Have the user sign in again, and pass the new token to rotate().',
      auditId,
      requestId,
      cause: refusal,
    })
    known.isDead = true
    if (state.known === known) this.#source.forgetGroup(known.group.prefix)
    this.#source.denials.noteDead(formatDeadKey(known), error)
    return error
  }
}

// The newest token, where what is kept for it may be handed out: as long as it joins one whose user is known, nobody has
// compared the two.
function findUsable({ known, joins, deadBy }: SubjectState): KnownToken | undefined {
  return known?.isDead || (joins?.userId ?? deadBy) !== undefined ? undefined : known
}

function formatDeadKey({ id, group }: KnownToken): string {
  return `${group.prefix}dead#${id}`
}
