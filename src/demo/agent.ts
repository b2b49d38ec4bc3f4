import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { createAgent, fakeModel } from 'langchain'
import { delegatedTool, type ToolDelegation } from '../langchain/index.js'
import { type DemoParts, findApi } from './apis.js'
import { REFUND_LIMIT, REFUND_PERMISSION, REFUND_TOOL } from './refunds.js'

/** What a tool calls, and with which delegation. */
interface ToolPlan {
  name: string
  api: string
  description: string
  delegation: Omit<ToolDelegation<ToolInput>, 'audience'>
}

/** The input of all tools: those that read ignore it. */
interface ToolInput {
  invoice?: string
  amount?: string
}

/** A tool with its arguments, as the model calls it. */
export interface PlannedCall {
  tool: string
  args?: ToolInput & { order?: string }
}

const TOOLS: readonly ToolPlan[] = [
  {
    name: 'get_billing',
    api: 'billing',
    description: 'The plan and the next invoice of the user',
    delegation: { permissions: ['billing:read'] },
  },
  {
    name: 'get_profile',
    api: 'profile',
    description: 'The profile of the user',
    delegation: { permissions: ['profile:read'] },
  },
  {
    name: 'list_orders',
    api: 'orders',
    description: 'The last orders of the user',
    delegation: { permissions: ['orders:read'] },
  },
  {
    name: 'track_order',
    api: 'orders',
    description: 'Where an order is',
    delegation: { permissions: ['orders:read'] },
  },
  {
    name: REFUND_TOOL,
    api: 'billing',
    description: 'Refund an amount of an invoice of the user',
    delegation: {
      permissions: [REFUND_PERMISSION],
      binding: 'call',
      approval: ({ amount, invoice }) =>
        Number(amount) > REFUND_LIMIT && { message: `Refund ${amount} EUR of ${invoice}?` },
    },
  },
  {
    // It asks for more than anybody has delegated.
    name: 'close_account',
    api: 'profile',
    description: 'Close the account of the user',
    delegation: { permissions: ['profile:delete'] },
  },
]

/**
 * Asks a LangChain agent whose model follows a script: in each turn it makes the calls that stand there, and in the end
 * it sums up what they said. Returns what the agent answered and the tool messages it was given.
 */
export async function askAgent(
  question: string,
  turns: readonly (readonly PlannedCall[])[],
  parts: DemoParts,
): Promise<{ answer: string; toolMessages: BaseMessage[] }> {
  const model = fakeModel()
  for (const calls of turns) {
    model.respondWithTools(calls.map(({ tool, args = {} }) => ({ name: tool, args: { ...args } })))
  }
  model.respond((messages) => new AIMessage(sumUp(messages)))
  const agent = createAgent({ model, tools: TOOLS.map((plan) => createTool(plan, parts)) })

  const { signal } = parts
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question }] }, { signal })
  return {
    answer: messages.at(-1)?.text ?? '',
    toolMessages: messages.filter((message) => message.type === 'tool'),
  }
}

function createTool(plan: ToolPlan, { authsec, apis, tell }: DemoParts) {
  const api = findApi(apis, plan.api)
  const isBound = plan.delegation.binding === 'call'
  return delegatedTool(
    authsec,
    async (input: ToolInput, context) => {
      tell({ type: 'tool.chosen', tool: plan.name })
      // A token that is bound to its call is good for one: the one that fetch asks for.
      if (!isBound) {
        const token = await context.token()
        tell({
          type: 'token.issued',
          tool: plan.name,
          audience: api.audience,
          permissions: token.permissions,
          ttl_seconds: Math.ceil((token.expiresAt.getTime() - Date.now()) / 1000),
          audit_id: token.auditId,
        })
      }
      const response = await context.fetch(
        api.url,
        isBound ? { method: 'POST', body: JSON.stringify(input) } : {},
      )
      const text = await response.text()
      tell({ type: 'tool.answered', tool: plan.name, text })
      return text
    },
    {
      name: plan.name,
      description: plan.description,
      schema: { type: 'object', properties: {} },
      delegation: { ...plan.delegation, audience: api.audience },
    },
  )
}

function sumUp(messages: readonly BaseMessage[]): string {
  return messages
    .filter((message) => message.type === 'tool')
    .map(({ text }) => text)
    .join(' ')
}
