import { createAuthsecClient } from 'authsec'
import { AuthsecCallbackHandler, delegatedTool, delegationContext } from 'authsec/langchain'

const { AUTHSEC_SERVER, AUTHSEC_CLIENT_ID, BILLING_URL, USER_TOKEN } = process.env
const authsec = createAuthsecClient({
  serverUrl: AUTHSEC_SERVER!,
  clientId: AUTHSEC_CLIENT_ID!,
  audiences: { billing: { resource: 'https://billing.example', origins: [BILLING_URL!] } },
})

interface Refund {
  invoice: string
  amount: string
}
const text = { type: 'string' } as const

const refund = delegatedTool(
  authsec,
  async (call: Refund, { fetch }) => {
    const headers = { 'content-type': 'application/json' }
    const sent = await fetch(`${BILLING_URL}/refunds`, {
      method: 'POST',
      headers,
      body: JSON.stringify(call),
    })
    return sent.json()
  },
  {
    name: 'refund',
    schema: { type: 'object', properties: { invoice: text, amount: text }, required: ['invoice', 'amount'] },
    delegation: {
      audience: 'billing',
      permissions: ['billing:refund'],
      binding: 'call',
      approval: ({ invoice, amount }) =>
        Number(amount) > 50 && { message: `Refund ${amount} EUR of the invoice ${invoice}?` },
      requireSubject: true,
    },
  },
)

const reporter = new AuthsecCallbackHandler({
  onToolRun: ({ tool, outcome, tokens }) => {
    console.log(tool, outcome, ...tokens.map(({ permissions }) => permissions.join(' ')))
  },
})
const context = delegationContext(authsec.subject(USER_TOKEN!))
const args = { invoice: 'in_1', amount: '120.00' }
const call = { type: 'tool_call', id: 'call-1', name: 'refund', args } as const
const answer = await refund.invoke(call, { context, callbacks: [reporter] })
console.log(answer.status, answer.content)
