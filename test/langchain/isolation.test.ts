import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import fc from 'fast-check'
import { createAgent, fakeModel } from 'langchain'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { delegatedTool, delegationContext } from '../../src/langchain/index.js'
import { createStubbedClient, type StubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const BILLING = 'https://billing.example'

/** Whose run it is, how often it calls its tool at once, and how many turns of the event loop it comes late. */
const plan = fc.record({
  user: fc.constantFrom('alice', 'bob'),
  session: fc.constantFrom('session-1', 'session-2'),
  calls: fc.integer({ min: 1, max: 3 }),
  late: fc.integer({ min: 0, max: 20 }),
})
const delays = fc.infiniteStream(fc.integer({ min: 0, max: 3 }))

async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** What the model of all runs says: it calls the tool as the question asks, and then ends. */
function say(messages: BaseMessage[]): AIMessage {
  const last = messages.at(-1)
  if (last?.type !== 'human') return new AIMessage('done')
  const { user, calls } = JSON.parse(last.text)
  const toolCalls = Array.from({ length: calls }, (_, id) => ({
    name: 'get_bill',
    args: { of: user },
    id: `${id}`,
  }))
  return new AIMessage({ content: '', tool_calls: toolCalls })
}

test('two users of one agent: never is the token of one in the call of the other, whatever is interleaved', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 2, maxLength: 5 }), delays, async (runs, delay) => {
      const late = () => pass(delay.next().value)
      const { authsec, stub }: StubbedClient = createStubbedClient({
        async fetch(input, init) {
          await late()
          return stub.fetch(input, init)
        },
      })
      const seen: { asked: string; got: string }[] = []
      const getBill = delegatedTool(
        authsec,
        async ({ of }, { fetch }) => {
          await late()
          return (await fetch(`${BILLING}/${of}`)).text()
        },
        {
          name: 'get_bill',
          schema: z.object({ of: z.string() }),
          delegation: {
            audience: BILLING,
            permissions: ['billing:read'],
            async fetch(url, init) {
              const [, payload = ''] = new Headers(init?.headers).get('authorization')?.split('.') ?? []
              const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString())
              seen.push({ asked: new URL(String(url)).pathname.slice(1), got: sub })
              return new Response('a bill')
            },
          },
        },
      )
      const model = fakeModel()
      for (let turn = 0; turn < runs.length * 2; turn++) model.respond(say)
      const agent = createAgent({ model, tools: [getBill] })

      await Promise.all(
        runs.map(async ({ user, session, calls, late: turns }) => {
          await pass(turns)
          const token = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: user, sid: session })
          const context = delegationContext(authsec.subject(token))
          const content = JSON.stringify({ user, calls })
          return agent.invoke({ messages: [{ role: 'user', content }] }, { context })
        }),
      )
      expect(seen).toHaveLength(runs.reduce((sum, { calls }) => sum + calls, 0))
      expect(seen.filter(({ asked, got }) => asked !== got)).toEqual([])
    }),
    { numRuns: 10 },
  )
})
