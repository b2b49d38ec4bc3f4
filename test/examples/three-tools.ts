import { tool } from '@langchain/core/tools'
import { createAuthsecClient } from 'authsec'
import { currentDelegation, delegationMiddleware } from 'authsec/langchain'
import { AIMessage, createAgent, fakeModel } from 'langchain'
import { z } from 'zod'

const { AUTHSEC_SERVER, AUTHSEC_CLIENT_ID, BILLING_URL } = process.env
const authsec = createAuthsecClient({
  serverUrl: AUTHSEC_SERVER!,
  clientId: AUTHSEC_CLIENT_ID!,
  audiences: { billing: { resource: 'https://billing.example', origins: [BILLING_URL!] } },
})

const getBill = tool(
  async ({ month }) => {
    const { fetch } = currentDelegation()
    return (await fetch(`${BILLING_URL}/bill?month=${month}`)).json()
  },
  { name: 'get_bill', schema: z.object({ month: z.string() }) },
)
const listBills = tool(
  async ({ year }) => {
    const { fetch } = currentDelegation()
    return (await fetch(`${BILLING_URL}/bills?year=${year}`)).json()
  },
  { name: 'list_bills', schema: z.object({ year: z.string() }) },
)
const getPlan = tool(
  async () => {
    const { fetch } = currentDelegation()
    return (await fetch(`${BILLING_URL}/plan`)).json()
  },
  { name: 'get_plan', schema: z.object({}) },
)

const secured = delegationMiddleware(authsec, {
  tools: {
    get_bill: { audience: 'billing', permissions: ['billing:read'] },
    list_bills: { audience: 'billing', permissions: ['billing:read'] },
    get_plan: { audience: 'billing', permissions: ['billing:read'] },
  },
})

// In the place of your model one that has learnt its part.
const model = fakeModel()
  .respondWithTools([
    { name: 'get_bill', args: { month: '2026-11' }, id: '1' },
    { name: 'list_bills', args: { year: '2026' }, id: '2' },
    { name: 'get_plan', args: {}, id: '3' },
  ])
  .respond(new AIMessage('49.00 EUR'))
const agent = createAgent({
  model,
  tools: [getBill, listBills, getPlan],
  middleware: [secured],
})
const { messages } = await agent.invoke({ messages: [{ role: 'user', content: 'What do I pay?' }] })
for (const message of messages) if (message.type === 'tool') console.log(message.name, message.text)
