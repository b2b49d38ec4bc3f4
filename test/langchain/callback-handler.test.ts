import { AIMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { Command, MemorySaver } from '@langchain/langgraph'
import { createAgent, fakeModel } from 'langchain'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  AuthsecCallbackHandler,
  delegatedTool,
  type ToolDelegation,
  type ToolRunReport,
} from '../../src/langchain/index.js'
import type { AuthsecClient } from '../../src/sdk/index.js'
import { oauthError } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const BILLING = 'https://billing.example'

function createBillTool(authsec: AuthsecClient, approval?: ToolDelegation['approval']) {
  return delegatedTool(
    authsec,
    async ({ id }, { token, fetch }) => {
      if (id === 'broken') throw new RangeError('no such bill')
      await token()
      return (await fetch(`${BILLING}/bills/${id}`)).text()
    },
    {
      name: 'get_bill',
      schema: z.object({ id: z.string() }),
      delegation: {
        audience: BILLING,
        permissions: ['billing:read'],
        approval,
        fetch: async () => new Response('a bill'),
      },
    },
  )
}

describe('AuthsecCallbackHandler', () => {
  test('reports a tool call with the tokens by which it was made', async () => {
    const { authsec, stub } = createStubbedClient()
    const reports: ToolRunReport[] = []
    const handler = new AuthsecCallbackHandler({ onToolRun: (report) => reports.push(report) })
    const model = fakeModel()
      .respondWithTools([{ name: 'get_bill', args: { id: '1' }, id: 'a' }])
      .respond(new AIMessage('done'))
    const agent = createAgent({ model, tools: [createBillTool(authsec)] })
    await agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, { callbacks: [handler] })
    const use = { jti: 'call-1', audience: [BILLING], permissions: ['billing:read'], auditId: 'audit-1' }
    expect(reports).toEqual([
      {
        tool: 'get_bill',
        runId: expect.any(String),
        toolCallId: 'a',
        outcome: 'done',
        code: undefined,
        auditId: undefined,
        duration: expect.any(Number),
        tokens: [use, use],
      },
    ])
    expect(JSON.stringify(reports)).not.toContain(stub.issued.at(-1))
  })

  test('tells a refusal from a failure', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    const reports: ToolRunReport[] = []
    const callbacks = [new AuthsecCallbackHandler({ onToolRun: (report) => reports.push(report) })]
    const billTool = createBillTool(authsec)
    const call = { type: 'tool_call', id: 'a', name: 'get_bill' } as const
    await billTool.invoke({ ...call, args: { id: '1' } }, { callbacks })
    await billTool.invoke({ ...call, args: { id: 'broken' } }, { callbacks }).catch(() => undefined)
    await billTool.invoke({ id: '1' }, { callbacks }).catch(() => undefined)
    expect(reports).toMatchObject([
      { outcome: 'denied', code: 'access_denied', auditId: 'audit-refusal', tokens: [] },
      { outcome: 'failed', code: undefined },
      { outcome: 'failed', code: 'access_denied' },
    ])
  })

  test('tells a run that waits for a person from both', async () => {
    const { authsec, stub } = createStubbedClient()
    const reports: ToolRunReport[] = []
    const handler = new AuthsecCallbackHandler({ onToolRun: (report) => reports.push(report) })
    const billTool = createBillTool(authsec, () => ({ surface: 'interrupt' }))
    const model = fakeModel()
      .respondWithTools([{ name: 'get_bill', args: { id: '1' }, id: 'a' }])
      .respond(new AIMessage('done'))
    const agent = createAgent({ model, tools: [billTool], checkpointer: new MemorySaver() })
    const config = { configurable: { thread_id: 'thread-1' }, callbacks: [handler] }
    await agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, config)
    expect(reports).toMatchObject([{ tool: 'get_bill', outcome: 'interrupted', code: undefined, tokens: [] }])
    stub.person.answers = 'yes'
    await agent.invoke(new Command({ resume: 'go on' }), config)
    expect(reports).toMatchObject([{ outcome: 'interrupted' }, { outcome: 'done' }])
  })

  test('reports tools that have no delegation as well, and disturbs nobody', async () => {
    const reports: ToolRunReport[] = []
    const handler = new AuthsecCallbackHandler({
      onToolRun(report) {
        reports.push(report)
        throw new Error('the observer is broken')
      },
    })
    const plain = tool(async () => 'noon', { name: 'get_time', schema: z.object({}) })
    expect(await plain.invoke({}, { callbacks: [handler] })).toBe('noon')
    expect(reports).toMatchObject([{ tool: 'get_time', outcome: 'done', tokens: [] }])
  })

  test('needs somebody to report to', () => {
    expect(() => new AuthsecCallbackHandler({} as never)).toThrow(TypeError)
  })
})
