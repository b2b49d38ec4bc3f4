import { Command, INTERRUPT, isInterrupted, MemorySaver } from '@langchain/langgraph'
import { createAuthsecClient } from 'authsec'
import { type ApprovalInterrupt, delegatedTool, delegationContext } from 'authsec/langchain'
import { AIMessage, createAgent, fakeModel } from 'langchain'

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
    const body = JSON.stringify(call)
    return (await fetch(`${BILLING_URL}/refunds`, { method: 'POST', headers, body })).json()
  },
  {
    name: 'refund',
    schema: { type: 'object', properties: { invoice: text, amount: text }, required: ['invoice', 'amount'] },
    delegation: {
      audience: 'billing',
      permissions: ['billing:refund'],
      approval: ({ amount }) => ({ message: `Refund ${amount} EUR?`, surface: 'interrupt' }),
      requireSubject: true,
    },
  },
)

// In the place of your model one that has learnt its part.
const model = fakeModel()
  .respondWithTools([{ name: 'refund', args: { invoice: 'in_1', amount: '120.00' }, id: 'call-1' }])
  .respond(new AIMessage('done'))
const agent = createAgent({ model, tools: [refund], checkpointer: new MemorySaver() })
const run = {
  configurable: { thread_id: 'thread-1' },
  context: delegationContext(authsec.subject(USER_TOKEN!)),
}

let state = await agent.invoke({ messages: [{ role: 'user', content: 'Refund in_1.' }] }, run)
while (isInterrupted<ApprovalInterrupt>(state)) {
  console.log('waiting for an answer:', state[INTERRUPT][0]?.value?.message)
  // Whatever it is resumed with: the person decides, and until they have the tool waits.
  state = await agent.invoke(new Command({ resume: true }), run)
}
for (const message of state.messages) if (message.type === 'tool') console.log(message.name, message.text)
