import { AIMessage } from '@langchain/core/messages'
import { Command, MemorySaver } from '@langchain/langgraph'
import { createAgent, fakeModel } from 'langchain'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
// Loaded beforehand: a clock that stands waits for promises, and for no file.
import '../../src/langchain/approval.js'
import {
  type ApprovalPrompt,
  delegatedTool,
  delegationContext,
  type ToolDelegation,
} from '../../src/langchain/index.js'
import type { AuthsecClient } from '../../src/sdk/index.js'
import { settle } from '../support/fake-clock.js'
import type { StubAuthsec } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

interface RefundInput {
  amount: string
}

const call = { type: 'tool_call', id: 'tool-call-1', name: 'refund', args: { amount: '120.00' } } as const

function createRefundTool(
  authsec: AuthsecClient,
  approval: ToolDelegation<RefundInput>['approval'],
  more: Partial<ToolDelegation<RefundInput>> = {},
) {
  const started: string[] = []
  const refund = delegatedTool(
    authsec,
    async ({ amount }, { token }) => {
      started.push(amount)
      return `refunded ${amount} with ${(await token()).jti}`
    },
    {
      name: 'refund',
      schema: z.object({ amount: z.string() }),
      delegation: { audience: 'https://billing.example', permissions: ['billing:refund'], approval, ...more },
    },
  )
  return { refund, started }
}

function formOf(stub: StubAuthsec, endpoint: string): Record<string, string> {
  return Object.fromEntries(stub.requests.findLast((request) => request.endpoint === endpoint)?.form ?? [])
}

describe('a tool that a person has to approve', () => {
  test('does not begin before the answer, and is bound to what was approved', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    const { refund, started } = createRefundTool(authsec, true)
    const answer = refund.invoke(call)
    await settle()
    expect(formOf(stub, 'approval')).toMatchObject({
      login_hint: 'user-alice',
      scope: 'billing:refund',
      binding_message: 'refund {"amount":"120.00"}',
    })
    expect([started, stub.count('exchange')]).toEqual([[], 0])
    stub.person.answers = 'yes'
    await clock.advance(5_000)
    expect(await answer).toMatchObject({ content: 'refunded 120.00 with call-1' })
    expect(formOf(stub, 'exchange')).toMatchObject({
      subject_token: stub.issued.at(-2),
      bind: 'tool call',
      call: '{"amount":"120.00"}',
    })
  })

  test('is bound to the arguments that a function names, without a word of a binding', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const { refund } = createRefundTool(authsec, true, { call: ({ amount }) => ({ sum: amount }) })
    expect(await refund.invoke(call)).toMatchObject({ content: 'refunded 120.00 with call-1' })
    expect(formOf(stub, 'exchange')).toMatchObject({ bind: 'tool call', call: '{"sum":"120.00"}' })
  })

  test('tells the model that the person has said no', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'no'
    const { refund, started } = createRefundTool(authsec, true)
    expect(await refund.invoke(call)).toMatchObject({
      status: 'error',
      content: expect.stringContaining('has said no'),
      artifact: { code: 'approval_rejected' },
    })
    expect([started, stub.count('exchange')]).toEqual([[], 0])
  })

  test('is asked about where the arguments want it, in the words of the program', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const approval = ({ amount }: RefundInput): ApprovalPrompt | false =>
      Number(amount) > 50 && { message: `Refund ${amount} EUR?`, user: 'boss@example.com' }
    const { refund } = createRefundTool(authsec, approval)
    await refund.invoke({ amount: '20.00' })
    expect(stub.count('approval')).toBe(0)
    expect(formOf(stub, 'exchange')['bind']).toBeUndefined()
    await refund.invoke({ amount: '51.00' })
    expect(formOf(stub, 'approval')).toMatchObject({
      login_hint: 'boss@example.com',
      binding_message: 'Refund 51.00 EUR?',
    })
  })

  test('is bound where the program leaves that open', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    await createRefundTool(authsec, true, { binding: undefined }).refund.invoke(call)
    expect(formOf(stub, 'exchange')['bind']).toBe('tool call')
  })

  test('is good for one use where its delegation inherits that', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const inherited = { audience: 'https://billing.example', permissions: ['billing:refund'] }
    const delegation: ToolDelegation = Object.create({ ...inherited, approval: true, oneTime: true })
    const once = delegatedTool(authsec, async (_input, { token }) => (await token()).jti, {
      name: 'refund',
      schema: z.object({ amount: z.string() }),
      delegation,
    })
    await once.invoke(call)
    expect(formOf(stub, 'exchange')['one_time']).toBe('true')
  })

  test('is not bound where the program says so', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    await createRefundTool(authsec, true, { binding: 'none' }).refund.invoke(call)
    expect(formOf(stub, 'exchange')['bind']).toBeUndefined()
  })

  test('is asked about once for each call: two calls of the same kind are two questions', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const { refund } = createRefundTool(authsec, true)
    await Promise.all([refund.invoke(call), refund.invoke({ ...call, id: 'tool-call-2' })])
    expect([stub.count('approval'), stub.count('exchange')]).toEqual([2, 2])
  })

  test('lets one call through with each answer, however its model numbers calls', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const { refund } = createRefundTool(authsec, true)
    await Promise.all([refund.invoke(call), refund.invoke(call), refund.invoke(call)])
    expect([stub.count('approval'), stub.count('exchange')]).toEqual([3, 3])
  })

  test('asks the user of its run, whom the server may never have named', async () => {
    const { authsec, stub } = createStubbedClient()
    Object.assign(stub.person, { answers: 'yes', userId: 'user-bob' })
    const { refund, started } = createRefundTool(authsec, true)
    const bob = authsec.subject(formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' }))
    const answer = await refund.invoke(call, { context: delegationContext(bob) })
    expect(answer).toMatchObject({ content: expect.stringContaining('refunded 120.00') })
    expect(formOf(stub, 'approval')['login_hint']).toBe('user-bob')
    expect(started).toEqual(['120.00'])
  })

  test('is bound to what was approved, whatever the tool makes of its input', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const permissions = ['billing:refund']
    const refund = delegatedTool(
      authsec,
      async (input: RefundInput, { token }) => {
        input.amount = '999.00'
        permissions.push('billing:admin')
        await token()
      },
      {
        name: 'refund',
        schema: z.object({ amount: z.string() }),
        delegation: { audience: 'https://billing.example', permissions: () => permissions, approval: true },
      },
    )
    await refund.invoke(call)
    expect(formOf(stub, 'exchange')).toMatchObject({ scope: 'billing:refund', call: '{"amount":"120.00"}' })
  })

  test('never hides arguments from the person', async () => {
    const { authsec, stub } = createStubbedClient()
    const { refund } = createRefundTool(authsec, true)
    const longest = 256 - 'refund {"amount":""}'.length
    await expect(refund.invoke({ amount: '1'.repeat(longest + 1) })).rejects.toMatchObject({
      code: 'configuration',
    })
    expect(stub.requests).toEqual([])
    stub.person.answers = 'yes'
    await refund.invoke({ amount: '1'.repeat(longest) })
    expect(formOf(stub, 'approval')['binding_message']).toHaveLength(256)
  })

  test.each<{ prompt: object; says: string; hint?: string }>([
    { prompt: { surfce: 'interrupt' }, says: '"surfce" is not a member of', hint: 'Did you mean surface?' },
    { prompt: { messge: 'Refund it?' }, says: '"messge" is not a member of', hint: 'Did you mean message?' },
    { prompt: { surface: 'interupt' }, says: 'surface "interupt" is not one of await, interrupt' },
  ])('is not asked for with $prompt', async ({ prompt, says, hint }) => {
    const { authsec, stub } = createStubbedClient()
    const { refund } = createRefundTool(authsec, () => prompt)
    await expect(refund.invoke({ amount: '1' })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining(says),
      hint,
    })
    expect(stub.requests).toEqual([])
  })

  test('stops waiting with its run', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    const run = new AbortController()
    const answer = createRefundTool(authsec, true).refund.invoke(call, { signal: run.signal })
    const ended = expect(answer).rejects.toThrow()
    await settle()
    run.abort()
    await ended
    const polled = stub.count('poll')
    await clock.advance(30_000)
    expect(stub.count('poll')).toBe(polled)
  })
})

describe('an approval that interrupts the run', () => {
  function createRefundAgent(ids = ['a']) {
    const stubbed = createStubbedClient()
    const { refund, started } = createRefundTool(stubbed.authsec, () => ({ surface: 'interrupt' }))
    const model = fakeModel()
      .respondWithTools(ids.map((id) => ({ name: 'refund', args: { amount: '120.00' }, id })))
      .respond(new AIMessage('done'))
    const agent = createAgent({ model, tools: [refund], checkpointer: new MemorySaver() })
    const config = { configurable: { thread_id: 'thread-1' } }
    const ask = () => agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, config)
    const resume = (value: unknown) => agent.invoke(new Command({ resume: value }), config)
    return { ...stubbed, started, ask, resume }
  }

  test('says what is asked, and goes on with the answer of the person', async () => {
    const { stub, started, ask, resume } = createRefundAgent()
    expect(await ask()).toMatchObject({
      __interrupt__: [
        {
          value: {
            type: 'authsec.approval',
            tool: 'refund',
            toolCallId: 'a',
            message: 'refund {"amount":"120.00"}',
            expiresAt: '2026-11-24T09:05:00.000Z',
          },
        },
      ],
    })
    expect([started, stub.count('poll')]).toEqual([[], 0])
    stub.person.answers = 'yes'
    const { messages } = await resume('go on')
    expect(messages.find((message) => message.type === 'tool')?.content).toBe('refunded 120.00 with call-1')
    expect([started, stub.count('approval')]).toEqual([['120.00'], 1])
  })

  test('lets nobody approve by resuming the run: the person decides', async () => {
    const { stub, started, ask, resume } = createRefundAgent()
    await ask()
    stub.person.answers = 'no'
    const { messages } = await resume({ approved: true })
    expect(messages.find((message) => message.type === 'tool')).toMatchObject({
      status: 'error',
      artifact: { code: 'approval_rejected' },
    })
    expect([started, stub.count('exchange')]).toEqual([[], 0])
  })

  test('is the answer for one of two calls with the same id', async () => {
    const { stub, started, ask, resume } = createRefundAgent(['a', 'a'])
    const { __interrupt__: interrupts } = (await ask()) as unknown as { __interrupt__: { id: string }[] }
    expect([interrupts.length, stub.count('approval')]).toEqual([2, 1])
    stub.person.answers = 'yes'
    const goOn = Object.fromEntries(interrupts.map(({ id }) => [id, 'go on']))
    expect(await resume(goOn)).toMatchObject({ __interrupt__: [{}] })
    expect([started.length, stub.count('approval')]).toEqual([1, 2])
  })

  test('is a mistake where there is no run to interrupt', async () => {
    const { authsec } = createStubbedClient()
    const { refund } = createRefundTool(authsec, () => ({ surface: 'interrupt' }))
    await expect(refund.invoke(call)).rejects.toMatchObject({ code: 'configuration' })
  })
})
