import { assertCallArguments, type Binding } from '../core/call-binding.js'
import { MAX_CALL_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { unknownMember } from '../core/option-checks.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { DelegationSubject } from './subject.js'

/** What a token is wanted for. Without an audience: the agent's base token. */
export interface DelegationRequest {
  /** The one API that may accept the token, byte for byte as it calls itself. */
  audience?: string | undefined
  /** What the call needs; left out, everything the delegation allows at that audience. */
  permissions?: readonly string[] | undefined
  /** The user for whom; left out, the user who has delegated to this agent. */
  subject?: DelegationSubject | undefined
  /** The tool that asks: context for the API and for the audit log. */
  tool?: string | undefined
  /**
   * What the API has to hold the call to, beside the permissions: with `tool`, that this tool makes it; with `call`,
   * that it has these arguments as well. A token that is bound to a call is made for it alone and never cached.
   */
  binding?: 'none' | Binding | undefined
  /** The arguments of the call, a JSON object, for `binding: 'call'`. They reach the server, the token holds a hash. */
  call?: unknown
  /** Whether the token is good for one use only; it is never cached. */
  oneTime?: boolean | undefined
  /** How long the token shall live, 1 to 300 seconds; the server's default is 60. */
  ttlSeconds?: number | undefined
  /** How long it must still be good when it is handed out; a cached one with less left is replaced. */
  minValidityMs?: number | undefined
  /** Gives up for this caller alone; others that wait for the same token go on. */
  signal?: AbortSignal | undefined
  /** Fetches a new token even where a good one is cached. */
  forceRefresh?: boolean | undefined
}

/** A request of which no member can be missing. */
export type RequestMembers = { [Name in keyof Required<DelegationRequest>]: DelegationRequest[Name] }

/** A request that has been checked and no longer changes under our feet. */
export interface CheckedRequest {
  readonly call: CallRequest | undefined
  readonly subject: DelegationSubject | undefined
  readonly minValidityMs: number
  readonly signal: AbortSignal | undefined
  readonly forceRefresh: boolean
}

/** The part that decides which call token it is. */
export interface CallRequest {
  readonly audience: string
  readonly permissions: readonly string[] | undefined
  readonly tool: string | undefined
  readonly ttlSeconds: number | undefined
  readonly bind: readonly Binding[]
  readonly args: JsonObject | undefined
  readonly oneTime: boolean
}

const BINDS: ReadonlyMap<unknown, readonly Binding[]> = new Map<unknown, readonly Binding[]>([
  ['none', []],
  ['tool', ['tool']],
  ['call', ['tool', 'call']],
])

// This runs on every call, and a switch takes a quarter of the time that a set of names takes.
function isMember(name: keyof DelegationRequest): boolean {
  switch (name) {
    case 'audience':
    case 'permissions':
    case 'subject':
    case 'tool':
    case 'binding':
    case 'call':
    case 'oneTime':
    case 'ttlSeconds':
    case 'minValidityMs':
    case 'signal':
    case 'forceRefresh':
      return true
    default:
      // Does not compile while a member is missing above.
      name satisfies never
      return false
  }
}

/**
 * What a request says now, by the names of its members, so that nothing is asked for that was not looked at: they may be
 * inherited, answered by a function, or changed later on. Throws `request_invalid` for a member the client does not
 * know: a misspelt `permissions` would otherwise mean all of them, and a condition that is not understood must not be
 * dropped.
 */
export function copyRequest(request: DelegationRequest): RequestMembers {
  const { audience, permissions, subject, tool, binding, call, oneTime, ttlSeconds } = request
  const { minValidityMs, signal, forceRefresh } = request
  const copy: RequestMembers = {
    audience,
    permissions,
    subject,
    tool,
    binding,
    call,
    oneTime,
    ttlSeconds,
    minValidityMs,
    signal,
    forceRefresh,
  }
  for (const name in request) {
    if (isMember(name as keyof DelegationRequest)) continue
    throw unknownMember('a request', name, copy, 'request_invalid')
  }
  return copy
}

/** Checks what a request says, and copies that; throws `request_invalid` or `invalid_scope` naming the value. */
export function readRequest(request: RequestMembers): CheckedRequest {
  const { subject, minValidityMs = 0, signal, forceRefresh = false } = request
  if (typeof minValidityMs !== 'number' || !(minValidityMs >= 0)) {
    throw invalidRequest(`minValidityMs ${quote(minValidityMs)} is not a number of milliseconds`)
  }
  const call = readCallRequest(request)
  if (call?.ttlSeconds !== undefined && minValidityMs > (call.ttlSeconds - 1) * 1000) {
    throw invalidRequest(`a token of ${call.ttlSeconds} s is never good for ${minValidityMs} ms`)
  }
  return { call, subject, minValidityMs, signal, forceRefresh }
}

/**
 * Whether a token is for one call alone, so that nobody else may get it: now, from the cache, or from the same answer.
 */
export function isForOneCall({ args, oneTime }: CallRequest): boolean {
  return args !== undefined || oneTime
}

function readCallRequest(request: DelegationRequest): CallRequest | undefined {
  const { audience, permissions, subject, tool, ttlSeconds, binding, call, oneTime } = request
  if (audience === undefined) {
    const narrowing = Object.entries({ permissions, subject, tool, ttlSeconds, binding, call, oneTime }).find(
      ([, value]) => value !== undefined,
    )
    if (narrowing === undefined) return undefined
    throw invalidRequest(
      `${narrowing[0]} without an audience`,
      'Name the API as audience; without any of them you get the base token.',
    )
  }
  if (typeof audience !== 'string' || audience === '') {
    throw invalidRequest(`the audience ${quote(audience)} is not the name of an API`)
  }
  if (tool !== undefined && (typeof tool !== 'string' || tool === '')) {
    throw invalidRequest(`the tool ${quote(tool)} is not a name`)
  }
  if (
    ttlSeconds !== undefined &&
    !(Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= MAX_CALL_TTL)
  ) {
    throw invalidRequest(
      `ttlSeconds ${quote(ttlSeconds)} is not between 1 and ${MAX_CALL_TTL}`,
      'Ask again for each call instead of keeping one token.',
    )
  }
  return { audience, permissions: readPermissions(permissions), tool, ttlSeconds, ...readBinding(request) }
}

function readBinding({
  tool,
  binding = 'none',
  call,
  oneTime = false,
}: DelegationRequest): Pick<CallRequest, 'bind' | 'args' | 'oneTime'> {
  const bind = BINDS.get(binding)
  if (bind === undefined) throw invalidRequest(`the binding ${quote(binding)} is not none, tool or call`)
  if (typeof oneTime !== 'boolean') throw invalidRequest(`oneTime ${quote(oneTime)} is not true or false`)
  if (bind.length > 0 && tool === undefined) throw invalidRequest(`the binding ${binding} without a tool`)
  if (binding !== 'call') {
    if (call === undefined) return { bind, args: undefined, oneTime }
    throw invalidRequest('a call without the binding to it', "Say binding: 'call', or leave the call out.")
  }
  if (call === undefined) throw invalidRequest('the binding call without the arguments of the call')
  return { bind, args: copyArguments(call), oneTime }
}

// A copy: what is sent and what the answer is checked against is the same, whatever the caller does meanwhile.
function copyArguments(call: unknown): JsonObject {
  try {
    assertCallArguments(call)
  } catch (error) {
    if (AuthsecError.is(error)) throw invalidRequest(error.message, error.hint)
    throw error
  }
  return JSON.parse(JSON.stringify(call))
}

function readPermissions(permissions: readonly string[] | undefined): readonly string[] | undefined {
  if (permissions === undefined) return undefined
  if (!Array.isArray(permissions)) throw invalidRequest('permissions is not a list')
  // An empty list must not turn into an omitted scope, which means everything.
  if (permissions.length === 0) {
    throw invalidRequest('permissions is empty', 'Leave it out to ask for everything the delegation allows.')
  }
  return sortPermissions(parsePermissions(permissions))
}

function invalidRequest(message: string, hint?: string): AuthsecError {
  return new AuthsecError('request_invalid', message, { hint })
}
