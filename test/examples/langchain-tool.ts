import { createAuthsecClient } from 'authsec'
import { delegatedTool } from 'authsec/langchain'

const { AUTHSEC_SERVER, AUTHSEC_CLIENT_ID, BILLING_URL } = process.env
const authsec = createAuthsecClient({
  serverUrl: AUTHSEC_SERVER!,
  clientId: AUTHSEC_CLIENT_ID!,
  audiences: { billing: { resource: 'https://billing.example', origins: [BILLING_URL!] } },
})

const getBill = delegatedTool(
  authsec,
  async ({ month }: { month: string }, { fetch }) =>
    (await fetch(`${BILLING_URL}/bill?month=${month}`)).json(),
  {
    name: 'get_bill',
    description: "Gets the user's bill for a month such as 2026-11.",
    schema: { type: 'object', properties: { month: { type: 'string' } }, required: ['month'] },
    delegation: { audience: 'billing', permissions: ['billing:read'] },
  },
)

// An agent gets it with createAgent({ model, tools: [getBill] }); this is the call that its model makes.
const call = { type: 'tool_call', id: 'call-1', name: 'get_bill', args: { month: '2026-11' } } as const
const answer = await getBill.invoke(call)
console.log(answer.status, answer.content)
