import { ToolMessage } from '@langchain/core/messages'
import type { StructuredToolInterface, ToolRunnableConfig } from '@langchain/core/tools'
import type { InferInteropZodOutput, InteropZodObject } from '@langchain/core/utils/types'
import { anySignal } from '../core/any-signal.js'
import { AuthsecError } from '../core/errors.js'
import type { AuthsecClient, DelegationRequest, DelegationSubject, DelegationToken } from '../sdk/index.js'
import { noteToken, type RunManager } from './callback-handler.js'
import { type DelegatedContext, runWithDelegation } from './current-delegation.js'
import { readSubject } from './delegation-context.js'
import {
  type ApprovalPrompt,
  assertDelegation,
  assertPermissions,
  misconfigured,
  type ToolDelegation,
} from './tool-delegation.js'

/** What the tools need of a client. */
export type TokenGiver = Pick<AuthsecClient, 'getDelegationToken' | 'fetch' | 'requestApproval'>

/** What becomes of a token that cannot be had: a message for the model, or an error that ends the run. */
export type OnDenied = 'tool-message' | 'throw'

/** What a tool is called with, where its schema says it; otherwise a function says for itself what it takes. */
type InputOf<ToolT> = ToolT extends { schema: infer SchemaT extends InteropZodObject }
  ? InferInteropZodOutput<SchemaT>
  : never

/** What LangChain calls, once it has checked the input. */
interface CallableTool {
  name: string
  responseFormat?: string
  _call(input: unknown, runManager: RunManager | undefined, config: ToolRunnableConfig): unknown
}

/**
 * The same tool with a delegation: inside it `currentDelegation()` has the token and the `fetch` of the call. Everything
 * else of the tool stays as it is, and the tool that is given is not changed. Failures are answered as those of
 * `delegatedTool`. Throws `configuration` for a delegation that is not well formed.
 */
export function withDelegation<ToolT extends Pick<StructuredToolInterface, 'name' | 'invoke'>>(
  authsec: TokenGiver,
  tool: ToolT,
  delegation: ToolDelegation<InputOf<ToolT>>,
): ToolT {
  return delegate(authsec, tool, delegation, 'tool-message')
}

/** `withDelegation`, which can let a run end instead. */
export function delegate<ToolT extends { name: string }>(
  authsec: TokenGiver,
  tool: ToolT,
  delegation: unknown,
  onDenied: OnDenied,
): ToolT {
  assertDelegation(tool.name, delegation)
  assertCallable(tool)
  const call: CallableTool['_call'] = async (input, runManager, config) => {
    const fail = (error: unknown) => {
      const answer = answerFailure(error, onDenied, tool.name, config.toolCall?.id)
      // With this format LangChain insists on a pair, and takes a message in it for the whole answer.
      return tool.responseFormat === 'content_and_artifact' ? [answer, undefined] : answer
    }
    try {
      // Before the tool begins, so that nothing it has done is done again when an interrupted run goes on.
      let terms: Terms = { delegation, subject: findSubject(tool.name, delegation, config) }
      const { approval = false } = delegation
      const prompt = typeof approval === 'function' ? approval(input) : approval && {}
      // Most tools ask nobody, and then there is nothing to load and nothing to wait for.
      if (prompt) terms = await approve(authsec, tool.name, terms, input, prompt, config)
      const context = createContext(authsec, tool.name, terms, input, runManager, config)
      const result = await runWithDelegation(context, () => tool._call(input, runManager, config))
      return isGenerator(result) ? takeSteps(result, context, fail) : result
    } catch (error) {
      return fail(error)
    }
  }
  const members = {
    ...Object.getOwnPropertyDescriptors(tool),
    _call: { value: call, configurable: true, writable: true },
  }
  return Object.create(Object.getPrototypeOf(tool), members)
}

// As LangChain tells one.
function isGenerator(value: unknown): value is AsyncGenerator {
  return typeof (value as AsyncGenerator | undefined)?.next === 'function'
}

// LangChain runs a generator when the call has long returned it: each step is a part of the call all the same.
async function* takeSteps(
  generator: AsyncGenerator,
  context: DelegatedContext,
  fail: (error: unknown) => unknown,
): AsyncGenerator {
  let isOver = false
  try {
    for (;;) {
      const { done, value } = await runWithDelegation(context, () => generator.next())
      isOver = done === true
      if (isOver) return value
      yield value
    }
  } catch (error) {
    isOver = true
    return fail(error)
  } finally {
    // Nobody may want the next step: then the tool tidies up, with the delegation that it has begun with.
    if (!isOver) await runWithDelegation(context, () => generator.return?.(undefined))
  }
}

/** The tool message of a failure that a model may know; throws every other one on. */
export function answerFailure(
  error: unknown,
  onDenied: OnDenied,
  name: string,
  toolCallId: string | undefined,
): ToolMessage {
  if (onDenied === 'throw' || toolCallId === undefined || !AuthsecError.is(error)) throw error
  const { code, auditId, modelMessage } = error
  if (modelMessage === undefined) throw error
  return new ToolMessage({
    content: modelMessage,
    name,
    tool_call_id: toolCallId,
    status: 'error',
    artifact: { code, auditId },
  })
}

/** For whom a call is made, and what it may do. */
interface Terms {
  delegation: ToolDelegation
  subject: DelegationSubject | undefined
}

function findSubject(
  tool: string,
  { requireSubject }: ToolDelegation,
  config: ToolRunnableConfig,
): DelegationSubject | undefined {
  const subject = readSubject(config)
  if (subject !== undefined || !requireSubject) return subject
  throw misconfigured(
    tool,
    'it acts for a user, and this run names none',
    'Pass context: delegationContext(subject) to the run.',
  )
}

// Whoever approves is the one for whom the call is made, and what they approve is this call.
async function approve(
  authsec: TokenGiver,
  tool: string,
  { delegation, subject }: Terms,
  input: unknown,
  prompt: ApprovalPrompt,
  config: ToolRunnableConfig,
): Promise<Terms> {
  const { audience, binding = 'call', oneTime, fetch } = delegation
  const permissions = [...permissionsOf(tool, delegation, input)]
  // Whatever the tool makes of its input meanwhile, this is what the person has read.
  const args = binding === 'call' ? structuredClone(argumentsOf(delegation, input)) : undefined
  const asked = { tool, audience, input, permissions, subject, prompt }
  const { obtainApproval } = await import('./approval.js')
  const approved = await obtainApproval(authsec, asked, config)
  const settled = { audience, permissions, binding, call: () => args, oneTime, fetch }
  return { delegation: settled, subject: approved }
}

function createContext(
  authsec: TokenGiver,
  tool: string,
  { delegation, subject }: Terms,
  input: unknown,
  runManager: RunManager | undefined,
  { toolCall, signal }: ToolRunnableConfig,
): DelegatedContext {
  const note = (token: DelegationToken) => {
    if (runManager !== undefined) noteToken(runManager, token)
    return token
  }
  // Spelt out: members added behind a spread cost Node 20 a microsecond each, here and wherever the request is read.
  const request = (): DelegationRequest => {
    const { audience, binding = 'none', oneTime } = delegation
    const permissions = permissionsOf(tool, delegation, input)
    const call = binding === 'call' ? argumentsOf(delegation, input) : undefined
    return { audience, permissions, tool, binding, call, oneTime, subject, signal }
  }
  return {
    fetch: async (resource, init = {}) => {
      const own = init.signal ?? (resource instanceof Request ? resource.signal : undefined)
      const signals = [own, signal].filter((one) => !!one)
      const send = authsec.fetch(request(), { fetch: delegation.fetch, onToken: note })
      return send(resource, signals.length > 0 ? { ...init, signal: anySignal(signals) } : init)
    },
    token: async () => note(await authsec.getDelegationToken(request())),
    // Made only where one is wanted: a tool call is cheap, a signal that never fires is not.
    get signal() {
      return signal ?? new AbortController().signal
    },
    toolCallId: toolCall?.id,
  }
}

function permissionsOf(tool: string, { permissions }: ToolDelegation, input: unknown): readonly string[] {
  if (typeof permissions !== 'function') return permissions
  const chosen: unknown = permissions(input)
  assertPermissions(tool, chosen)
  return chosen
}

function argumentsOf({ call: choose }: ToolDelegation, input: unknown): unknown {
  return choose === undefined ? input : choose(input)
}

function assertCallable(tool: { name: string }): asserts tool is CallableTool {
  if (typeof (tool as Partial<CallableTool>)._call === 'function') return
  throw misconfigured(
    tool.name,
    'it is no structured tool of LangChain',
    'Make it with tool() or delegatedTool().',
  )
}
