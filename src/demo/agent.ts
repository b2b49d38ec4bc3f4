import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { createAgent, fakeModel } from 'langchain'
import { delegatedTool } from '../langchain/index.js'
import type { AuthsecClient } from '../sdk/index.js'
import type { DemoApi } from './apis.js'
import type { StoryEvent } from './events.js'

/** What a tool calls, and with which permission. */
interface ToolPlan {
  name: string
  api: string
  permission: string
  description: string
}

export const READING_TOOLS: readonly ToolPlan[] = [
  {
    name: 'get_billing',
    api: 'billing',
    permission: 'billing:read',
    description: 'The plan and the next invoice of the user',
  },
  { name: 'get_profile', api: 'profile', permission: 'profile:read', description: 'The profile of the user' },
  {
    name: 'list_orders',
    api: 'orders',
    permission: 'orders:read',
    description: 'The last orders of the user',
  },
]

/** A tool that asks for more than the policy lets anyone delegate. */
export const REFUND_TOOL: ToolPlan = {
  name: 'refund_invoice',
  api: 'billing',
  permission: 'billing:refund',
  description: 'Refund the last invoice of the user',
}

/**
 * Asks a LangChain agent whose model follows a script: it calls one tool after the other and sums up what they said.
 * Returns what the agent answered and the tool messages it was given.
 */
export async function askAgent(
  question: string,
  plans: readonly ToolPlan[],
  { authsec, apis, tell, signal }: AgentSurroundings,
): Promise<{ answer: string; toolMessages: BaseMessage[] }> {
  // One tool in each turn, so that the story can be followed.
  const model = fakeModel()
  for (const { name } of plans) model.respondWithTools([{ name, args: {} }])
  model.respond((messages) => new AIMessage(sumUp(messages)))
  const tools = plans.map((plan) => createTool(plan, { authsec, apis, tell, signal }))
  const agent = createAgent({ model, tools })

  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question }] }, { signal })
  return {
    answer: messages.at(-1)?.text ?? '',
    toolMessages: messages.filter((message) => message.type === 'tool'),
  }
}

/** What the agent works with. */
export interface AgentSurroundings {
  authsec: AuthsecClient
  apis: readonly DemoApi[]
  tell: (event: StoryEvent) => void
  signal: AbortSignal
}

function createTool(plan: ToolPlan, { authsec, apis, tell }: AgentSurroundings) {
  const api = apis.find(({ name }) => name === plan.api)
  if (api === undefined) throw new TypeError(`no API ${plan.api}`)
  return delegatedTool(
    authsec,
    async (_input: object, context) => {
      tell({ type: 'tool.chosen', tool: plan.name })
      const token = await context.token()
      tell({
        type: 'token.issued',
        tool: plan.name,
        audience: api.audience,
        permissions: token.permissions,
        ttl_seconds: Math.ceil((token.expiresAt.getTime() - Date.now()) / 1000),
        audit_id: token.auditId,
      })
      const response = await context.fetch(api.url)
      const text = await response.text()
      tell({ type: 'tool.answered', tool: plan.name, text })
      return text
    },
    {
      name: plan.name,
      description: plan.description,
      schema: { type: 'object', properties: {} },
      delegation: { audience: api.audience, permissions: [plan.permission] },
    },
  )
}

function sumUp(messages: readonly BaseMessage[]): string {
  return messages
    .filter((message) => message.type === 'tool')
    .map(({ text }) => text)
    .join(' ')
}
