import type { ToolRunnableConfig } from '@langchain/core/tools'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, readChoice } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import type { AuthsecClient, DelegationSubject } from '../sdk/index.js'
import type { ApprovalPrompt } from './tool-delegation.js'

/** What a run is interrupted with while a person is asked. */
export interface ApprovalInterrupt {
  type: 'authsec.approval'
  tool: string
  toolCallId: string | undefined
  /** What the person reads. */
  message: string
  /** Until when the person can answer, RFC 3339. */
  expiresAt: string
}

/** A call that a person has to approve. */
export interface CallToApprove {
  tool: string
  audience: string
  input: unknown
  permissions: readonly string[]
  /** For whom the run acts. */
  subject: DelegationSubject | undefined
  prompt: ApprovalPrompt
}

const LONGEST_MESSAGE = 256

/** Whoever has let a call through: each of them lets one. */
const spent = new WeakSet<DelegationSubject>()

/**
 * Asks a person, and resolves with them as the subject of this one call. A run that is interrupted and goes on finds the
 * question that was put, by its thread and the id of the tool call; what it is resumed with decides nothing. No other call
 * finds it, however its model numbers calls, and an answer is the answer for one call.
 */
export async function obtainApproval(
  authsec: Pick<AuthsecClient, 'requestApproval'>,
  call: CallToApprove,
  config: ToolRunnableConfig,
): Promise<DelegationSubject> {
  const { tool, audience, input, permissions, subject, prompt } = call
  const { toolCall, configurable, signal } = config
  assertMembers(`the approval of the tool ${quote(tool)}`, prompt, { message: 1, user: 1, surface: 1 })
  const { user, surface = 'await' } = prompt
  readChoice('surface', surface, ['await', 'interrupt'])
  const message = prompt.message ?? describeCall(tool, input)
  const toolCallId = toolCall?.id
  const thread: unknown = configurable?.['thread_id']
  const isResumed = surface === 'interrupt' && thread !== undefined && toolCallId !== undefined
  const id = isResumed ? JSON.stringify([thread, tool, toolCallId]) : undefined
  const question = { audience, permissions, message, user, subject, id, signal }
  const approval = await authsec.requestApproval(question)
  if (surface === 'interrupt') {
    const expiresAt = approval.expiresAt.toISOString()
    findInterrupt(tool, config)({ type: 'authsec.approval', tool, toolCallId, message, expiresAt })
  }
  const approved = await approval.settled({ signal })
  if (spent.has(approved)) return obtainApproval(authsec, call, config)
  spent.add(approved)
  return approved
}

// Whoever approves has to see all of what is done.
function describeCall(tool: string, input: unknown): string {
  const message = `${tool} ${JSON.stringify(input)}`
  if (message.length <= LONGEST_MESSAGE) return message
  throw cannotAsk(
    tool,
    `its arguments are longer than the ${LONGEST_MESSAGE} characters that people see`,
    'Word it yourself: approval: (input) => ({ message }).',
  )
}

// LangGraph hands it to every node; taken from there, it is that of the copy that runs the graph.
function findInterrupt(tool: string, config: object): (value: ApprovalInterrupt) => unknown {
  const { interrupt } = config as { interrupt?: (value: ApprovalInterrupt) => unknown }
  if (typeof interrupt === 'function') return interrupt
  throw cannotAsk(tool, 'only a LangGraph run can be interrupted', "Use surface: 'await'.")
}

function cannotAsk(tool: string, why: string, hint: string): AuthsecError {
  const text = `nobody can be asked to approve a call of the tool ${quote(tool)}: ${why}`
  return new AuthsecError('configuration', text, { hint })
}
