import type { ToolRunnableConfig } from '@langchain/core/tools'
import type { AuthsecClient, DelegationSubject } from '../sdk/index.js'
import { type ApprovalPrompt, misconfigured } from './tool-delegation.js'

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
  input: unknown
  permissions: readonly string[]
  /** For whom the run acts. */
  subject: DelegationSubject | undefined
  prompt: ApprovalPrompt
}

const LONGEST_MESSAGE = 256

/**
 * Asks a person, and resolves with them as the subject of this one call. A run that is interrupted and goes on finds the
 * question that was put, by its thread and the id of the tool call; what it is resumed with decides nothing.
 */
export async function obtainApproval(
  authsec: Pick<AuthsecClient, 'requestApproval'>,
  { tool, input, permissions, subject, prompt }: CallToApprove,
  { toolCall, configurable, signal, ...config }: ToolRunnableConfig,
): Promise<DelegationSubject> {
  const { user, surface = 'await' } = prompt
  const message = prompt.message ?? describeCall(tool, input)
  const toolCallId = toolCall?.id
  const id = toolCallId === undefined ? toolCallId : JSON.stringify([configurable?.['thread_id'], toolCallId])
  const approval = await authsec.requestApproval({ permissions, message, user, subject, id, signal })
  if (surface === 'interrupt') {
    const expiresAt = approval.expiresAt.toISOString()
    findInterrupt(tool, config)({ type: 'authsec.approval', tool, toolCallId, message, expiresAt })
  }
  return approval.settled({ signal })
}

// Whoever approves has to see all of what is done.
function describeCall(tool: string, input: unknown): string {
  const message = `${tool} ${JSON.stringify(input)}`
  if (message.length <= LONGEST_MESSAGE) return message
  throw misconfigured(
    tool,
    `its arguments are longer than the ${LONGEST_MESSAGE} characters that people see`,
    'Word it yourself: approval: (input) => ({ message }).',
  )
}

// LangGraph hands it to every node; taken from there, it is that of the copy that runs the graph.
function findInterrupt(tool: string, config: object): (value: ApprovalInterrupt) => unknown {
  const { interrupt } = config as { interrupt?: (value: ApprovalInterrupt) => unknown }
  if (typeof interrupt === 'function') return interrupt
  throw misconfigured(tool, 'only a LangGraph run can be interrupted', "Use surface: 'await'.")
}
