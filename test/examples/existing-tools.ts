import { tool } from '@langchain/core/tools'
import { createAuthsecClient } from 'authsec'
import { currentDelegation, withDelegation } from 'authsec/langchain'
import { z } from 'zod'

const { AUTHSEC_SERVER, AUTHSEC_CLIENT_ID, BILLING_URL } = process.env
const authsec = createAuthsecClient({
  serverUrl: AUTHSEC_SERVER!,
  clientId: AUTHSEC_CLIENT_ID!,
  audiences: { billing: { resource: 'https://billing.example', origins: [BILLING_URL!] } },
})

const listBills = tool(
  async ({ year }) => {
    const { fetch } = currentDelegation()
    return (await fetch(`${BILLING_URL}/bills?year=${year}`)).json()
  },
  { name: 'list_bills', schema: z.object({ year: z.string() }) },
)

const tools = [withDelegation(authsec, listBills, { audience: 'billing', permissions: ['billing:read'] })]

// An agent gets them with createAgent({ model, tools }); this is the call that its model makes.
const call = { type: 'tool_call', id: 'call-1', name: 'list_bills', args: { year: '2026' } } as const
const [answer] = await Promise.all(tools.map((each) => each.invoke(call)))
console.log(answer!.status, answer!.content)
