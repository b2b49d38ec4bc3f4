import { AuthsecError } from '../core/errors.js'
import { assertMembers } from '../core/option-checks.js'
import { isPermission } from '../core/permission.js'
import { quote } from '../core/printable.js'

/** What a tool may do, and where. */
export interface ToolDelegation<InputT = unknown> {
  /** The API that the tool calls, byte for byte as it calls itself, or by its name in the client's `audiences`. */
  audience: string
  /** What one call of the tool needs, in general or for this input. */
  permissions: readonly string[] | ((input: InputT) => readonly string[])
  /**
   * To what the token is bound beside that: with `call` to this tool and these arguments, which the API has to check.
   * `none` by default, and `call` where the tool asks for approval.
   */
  binding?: 'none' | 'tool' | 'call' | undefined
  /** The arguments that are bound by `call`, a JSON object; the input by default. */
  call?: ((input: InputT) => unknown) | undefined
  /** Whether the token is good for one use only. */
  oneTime?: boolean | undefined
  /** Whether a person has to approve the call before it is made, in general or for this input. */
  approval?: boolean | ((input: InputT) => ApprovalPrompt | false) | undefined
  /** Whether the tool acts only in runs with a `delegationContext`; otherwise it acts for the user who has delegated. */
  requireSubject?: boolean | undefined
  /** What sends the requests of `context.fetch`; the client's own by default. */
  fetch?: typeof fetch | undefined
}

/** How a person is asked to approve a call. */
export interface ApprovalPrompt {
  /** What the person reads, at most 256 characters; by default the tool with its arguments. */
  message?: string | undefined
  /** Who is asked, by e-mail address or user id; by default the user for whom the agent acts. */
  user?: string | undefined
  /**
   * `await` (the default) lets the tool wait for the answer. `interrupt` stops the run with a LangGraph interrupt, so
   * that the program can show that it waits, and go on when the person has answered; that needs a checkpointer. The
   * question lives in the memory of the client: a process that goes on with the run of another one asks the person
   * again.
   */
  surface?: 'await' | 'interrupt' | undefined
}

const MEMBERS: Readonly<Record<keyof ToolDelegation, readonly string[]>> = {
  audience: ['string'],
  permissions: ['object', 'function'],
  binding: ['string'],
  call: ['function'],
  oneTime: ['boolean'],
  approval: ['boolean', 'function'],
  requireSubject: ['boolean'],
  fetch: ['function'],
}
const BINDINGS: readonly unknown[] = [undefined, 'none', 'tool', 'call']

/**
 * Throws `configuration` at creation, so that a tool that could never get a token does not wait for a model to find
 * out.
 */
export function assertDelegation(name: string, delegation: unknown): asserts delegation is ToolDelegation {
  const given = delegation as ToolDelegation
  assertMembers(`the delegation of the tool ${quote(name)}`, given, MEMBERS)
  const { audience, permissions, binding, call, approval } = given
  if (!audience) {
    throw misconfigured(name, `its audience ${quote(audience)} names no API`)
  }
  if (typeof permissions !== 'function') assertPermissions(name, permissions)
  if (!BINDINGS.includes(binding)) {
    throw misconfigured(name, `its binding ${quote(binding)} is not none, tool or call`)
  }
  if (call !== undefined && (binding ?? (approval && 'call')) !== 'call') {
    throw misconfigured(name, "its call needs binding: 'call'")
  }
  for (const [member, types] of Object.entries(MEMBERS)) {
    const value: unknown = given[member as keyof ToolDelegation]
    if (value === undefined || types.includes(typeof value)) continue
    throw misconfigured(name, `its ${member} ${quote(value)} is no ${types.join(' or ')}`)
  }
}

/**
 * Throws `configuration` for what is no list of permissions, or an empty one. Without permissions a request would be for
 * everything that the delegation allows.
 */
export function assertPermissions(name: string, given: unknown): asserts given is readonly string[] {
  const listed: readonly unknown[] = Array.isArray(given) ? given : []
  if (listed.length === 0) throw misconfigured(name, 'its permissions are not listed')
  for (const each of listed) {
    if (typeof each === 'string' && isPermission(each)) continue
    throw misconfigured(name, `${quote(each)} is not a permission`)
  }
}

/** A `configuration` error about one tool. */
export function misconfigured(name: string, message: string, hint?: string): AuthsecError {
  const text = `the tool ${quote(name)} is set up wrongly: ${message}`
  return new AuthsecError('configuration', text, { hint })
}
