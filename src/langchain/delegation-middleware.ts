import type { ToolMessage } from '@langchain/core/messages'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, type MembersOf, readChoice } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { readSubject } from './delegation-context.js'
import { assertDelegation, type ToolDelegation } from './tool-delegation.js'
import { answerFailure, delegate, type OnDenied, type TokenGiver } from './with-delegation.js'

export interface DelegationMiddlewareOptions {
  /** The delegations of the agent's tools, by the names of the tools. */
  tools: Readonly<Record<string, ToolDelegation<never>>>
  /** What happens to a tool that is not named there: it is refused (`deny`, the default), or left alone (`pass`). */
  undeclared?: 'deny' | 'pass'
  /** What becomes of a refusal: a message for the model (the default), or an error that ends the run. */
  onDenied?: OnDenied
}

/** What of a tool call of an agent is looked at. */
export interface AgentToolCall {
  toolCall: { name: string; id?: string | undefined }
  /** The tool that answers it, where the agent knows one. */
  tool?: object | undefined
  runtime: object
}

/**
 * A middleware for `createAgent` of langchain 1.x, by what it does: the type that langchain has for one would have to be
 * installed by everyone who uses a tool.
 */
export interface DelegationMiddleware {
  name: string
  wrapToolCall<CallT extends AgentToolCall, AnswerT>(
    request: CallT,
    handler: (request: CallT) => AnswerT,
  ): AnswerT | ToolMessage
}

const OPTIONS: MembersOf<DelegationMiddlewareOptions> = { tools: 1, undeclared: 1, onDenied: 1 }

/**
 * Gives the tools of a langchain 1.x agent their delegations without touching them: inside a tool `currentDelegation()`
 * has the token and the `fetch` of the call. Stands after whatever may edit the arguments of a call, such as human in
 * the loop. An identity that enters a run in any other way than by `delegationContext` ends it with `configuration`, which
 * without this middleware the model is told. So does what a tool throws of its own, as langchain has it wherever a middleware
 * wraps tool calls; another one before this, such as its `toolErrorMiddleware`, says what the model is told instead.
 * Throws `configuration` for options and a delegation that are not well formed.
 */
export function delegationMiddleware(
  authsec: TokenGiver,
  options: DelegationMiddlewareOptions,
): DelegationMiddleware {
  assertMembers('the options of delegationMiddleware', options, OPTIONS)
  const { tools, undeclared = 'deny', onDenied = 'tool-message' } = options
  // What they are named is the caller's.
  assertMembers('the tools of delegationMiddleware', tools, tools)
  readChoice('undeclared', undeclared, ['deny', 'pass'])
  readChoice('onDenied', onDenied, ['tool-message', 'throw'])
  const delegations = new Map(Object.entries(tools))
  for (const [name, delegation] of delegations) assertDelegation(name, delegation)
  const delegated = new WeakMap<object, { name: string }>()

  // What createMiddleware would make of it, without loading all of langchain for that.
  const brand = { [Symbol.for('AgentMiddleware')]: true }
  return {
    ...brand,
    name: 'authsec',
    wrapToolCall(request, handler) {
      const { tool, toolCall, runtime } = request
      // Ends the run: no model can mend an identity that was passed wrongly.
      readSubject(runtime as Parameters<typeof readSubject>[0])
      const delegation = delegations.get(toolCall.name)
      if (delegation === undefined && undeclared === 'pass') return handler(request)
      // A tool that somebody adds further in can be given nothing here, and must not run without it.
      if (delegation === undefined || tool === undefined) return refuseUndeclared(toolCall, onDenied)
      const known = delegated.get(tool) ?? delegate(authsec, tool as { name: string }, delegation, onDenied)
      delegated.set(tool, known)
      return handler({ ...request, tool: known as typeof tool })
    },
  }
}

function refuseUndeclared({ name, id = '' }: { name: string; id?: string | undefined }, onDenied: OnDenied) {
  const error = new AuthsecError('delegation_undeclared', `the tool ${quote(name)} has no delegation here`, {
    hint: 'Name it in delegationMiddleware, placed behind what adds tools.',
  })
  return answerFailure(error, onDenied, name, id)
}
