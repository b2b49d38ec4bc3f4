import { ToolMessage } from '@langchain/core/messages'
import {
  type DynamicStructuredTool,
  type ToolRunnableConfig,
  type ToolWrapperParams,
  tool,
} from '@langchain/core/tools'
import type { JSONSchema } from '@langchain/core/utils/json_schema'
import type {
  InferInteropZodInput,
  InferInteropZodOutput,
  InteropZodObject,
} from '@langchain/core/utils/types'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { AuthsecClient, DelegationToken } from '../sdk/index.js'
import { createDelegatedFetch } from './delegated-fetch.js'
import { describeForModel } from './model-message.js'

/** What a tool may do, and where. */
export interface ToolDelegation<InputT = unknown> {
  /** The API that the tool calls, byte for byte as it calls itself. */
  audience: string
  /** What one call of the tool needs, in general or for this input. */
  permissions: readonly string[] | ((input: InputT) => readonly string[])
  /** What `context.fetch` sends with; the global `fetch` by default. */
  fetch?: typeof fetch
}

/** What a tool gets beside its input. */
export interface DelegatedContext {
  /** `fetch` with the token of this call in the `Authorization` header. */
  readonly fetch: typeof fetch
  /** The token of this call, fetched when it is asked for. Rejects as `getDelegationToken` does. */
  token(): Promise<DelegationToken>
  /** Fires when the run is over: pass it on to whatever takes time. */
  readonly signal: AbortSignal
  /** The id of the tool call, where a model made it. */
  readonly toolCallId: string | undefined
}

/** The fields of LangChain's `tool()`, and the delegation. */
export type DelegatedToolFields<SchemaT, NameT extends string, InputT> = ToolWrapperParams<SchemaT, NameT> & {
  schema: SchemaT
  delegation: ToolDelegation<InputT>
}

/** What the tool needs of a client. */
export type TokenGiver = Pick<AuthsecClient, 'getDelegationToken'>

/**
 * LangChain's `tool()` for a function that calls an API on behalf of the user. Each call asks for a token of its
 * own, for this audience, these permissions and this tool, at the moment the function uses it: after everything
 * that may still edit the arguments. The token is in no configuration, message or trace.
 *
 * When the token is refused, or cannot be had, the model gets a tool message with status `error` that says in
 * plain words whether to try again; its `artifact` holds `code` and `auditId` for the program. Without a tool
 * call to answer (a bare `tool.invoke(input)`) the `AuthsecError` is thrown, as is one that only a developer can
 * mend. Throws `configuration` at once for a delegation that is not well formed.
 */
export function delegatedTool<SchemaT extends InteropZodObject, NameT extends string, OutputT>(
  authsec: TokenGiver,
  fn: (input: InferInteropZodOutput<SchemaT>, context: DelegatedContext) => OutputT | Promise<OutputT>,
  fields: DelegatedToolFields<SchemaT, NameT, InferInteropZodOutput<SchemaT>>,
): DynamicStructuredTool<
  SchemaT,
  InferInteropZodOutput<SchemaT>,
  InferInteropZodInput<SchemaT>,
  OutputT,
  unknown,
  NameT
>
export function delegatedTool<InputT, NameT extends string, OutputT>(
  authsec: TokenGiver,
  fn: (input: InputT, context: DelegatedContext) => OutputT | Promise<OutputT>,
  fields: DelegatedToolFields<JSONSchema, NameT, InputT>,
): DynamicStructuredTool<JSONSchema, InputT, InputT, OutputT, unknown, NameT>
export function delegatedTool(
  authsec: TokenGiver,
  fn: (input: unknown, context: DelegatedContext) => unknown,
  { delegation, ...fields }: DelegatedToolFields<JSONSchema, string, unknown>,
): unknown {
  assertDelegation(fields.name, delegation)

  return tool(async (input: unknown, config: ToolRunnableConfig) => {
    const context = createContext(authsec, fields.name, delegation, input, config)
    try {
      return await fn(input, context)
    } catch (error) {
      const answer = describeFailure(error, fields.name, context.toolCallId)
      if (answer === undefined) throw error
      // With this format LangChain insists on a pair, and takes a message in it for the whole answer.
      return fields.responseFormat === 'content_and_artifact' ? [answer, undefined] : answer
    }
  }, fields)
}

function createContext(
  authsec: TokenGiver,
  name: string,
  { audience, permissions, fetch: send = globalThis.fetch }: ToolDelegation,
  input: unknown,
  { toolCall, signal }: ToolRunnableConfig,
): DelegatedContext {
  const requestToken = () => {
    const needed = typeof permissions === 'function' ? permissions(input) : permissions
    return authsec.getDelegationToken({ audience, permissions: needed, tool: name, signal })
  }
  return {
    fetch: createDelegatedFetch(send, requestToken, signal),
    token: async () => requestToken(),
    // Made only where one is wanted: a tool call is cheap, a signal that never fires is not.
    get signal() {
      return signal ?? new AbortController().signal
    },
    toolCallId: toolCall?.id,
  }
}

function describeFailure(
  error: unknown,
  name: string,
  toolCallId: string | undefined,
): ToolMessage | undefined {
  if (toolCallId === undefined || !AuthsecError.is(error)) return undefined
  const content = describeForModel(error)
  if (content === undefined) return undefined
  const { code, auditId } = error
  return new ToolMessage({
    content,
    name,
    tool_call_id: toolCallId,
    status: 'error',
    artifact: { code, auditId },
  })
}

// At creation, so that a tool that could never get a token does not wait for a model to find out.
function assertDelegation(name: string, delegation: ToolDelegation | undefined): asserts delegation {
  if (delegation === undefined) throw misconfigured(name, 'it has no delegation')
  const { audience, permissions, fetch: _, ...others } = delegation
  const unknown = Object.keys(others)[0]
  if (unknown !== undefined) {
    throw misconfigured(name, `${quote(unknown)} is not a member of its delegation`)
  }
  if (typeof audience !== 'string' || audience === '') {
    throw misconfigured(name, `its audience ${quote(audience)} is not the name of an API`)
  }
  const isList = Array.isArray(permissions) && permissions.length > 0
  if (!isList && typeof permissions !== 'function') {
    throw misconfigured(name, 'its permissions are neither a list with something in it nor a function')
  }
}

function misconfigured(name: string, message: string): AuthsecError {
  return new AuthsecError('configuration', `the tool ${quote(name)} is not set up correctly: ${message}`)
}
