import { type DynamicStructuredTool, type ToolWrapperParams, tool } from '@langchain/core/tools'
import type { JSONSchema } from '@langchain/core/utils/json_schema'
import type {
  InferInteropZodInput,
  InferInteropZodOutput,
  InteropZodObject,
} from '@langchain/core/utils/types'
import { currentDelegation, type DelegatedContext } from './current-delegation.js'
import { assertDelegation, type ToolDelegation } from './tool-delegation.js'
import { type TokenGiver, withDelegation } from './with-delegation.js'

/** The fields of LangChain's `tool()`, and the delegation. */
export type DelegatedToolFields<SchemaT, NameT extends string, InputT> = ToolWrapperParams<SchemaT, NameT> & {
  schema: SchemaT
  delegation: ToolDelegation<InputT>
}

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
  return withDelegation(
    authsec,
    tool((input: unknown) => fn(input, currentDelegation()), fields),
    delegation,
  )
}
