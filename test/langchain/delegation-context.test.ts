import { AIMessage } from '@langchain/core/messages'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { createAgent, fakeModel } from 'langchain'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { currentDelegation, delegatedTool, delegationContext } from '../../src/langchain/index.js'
import type { AuthsecClient } from '../../src/sdk/index.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const schema = { type: 'object', properties: {} } as const
const BOB = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })

/** A tool that answers with the user its token is of. */
function createWhoTool(authsec: AuthsecClient, more: object = {}) {
  return delegatedTool(
    authsec,
    async (_input: object, { token }) => {
      const payload = (await token()).reveal().split('.')[1] ?? ''
      return JSON.parse(Buffer.from(payload, 'base64url').toString()).sub as string
    },
    {
      name: 'who',
      schema,
      delegation: { audience: 'https://billing.example', permissions: ['billing:read'], ...more },
    },
  )
}

describe('a run with a delegationContext', () => {
  test('acts for its subject: in a bare call, and in ToolNode', async () => {
    const { authsec } = createStubbedClient()
    const context = delegationContext(authsec.subject(BOB))
    const who = createWhoTool(authsec)
    expect(await who.invoke({}, { context })).toBe('user-bob')
    expect(await who.invoke({})).toBe('user-alice')

    const toolCall = { type: 'tool_call', id: 'a', name: 'who', args: {} } as const
    const state = { messages: [new AIMessage({ content: '', tool_calls: [toolCall] })] }
    const { messages } = await new ToolNode([who]).invoke(state, { context } as object)
    expect(messages).toMatchObject([{ content: 'user-bob' }])
  })

  test.each([
    { why: 'without a context schema', contextSchema: undefined },
    { why: 'with a schema of its own', contextSchema: z.object({ region: z.string() }) },
  ])('acts for its subject in createAgent $why', async ({ contextSchema }) => {
    const { authsec } = createStubbedClient()
    const model = fakeModel()
      .respondWithTools([{ name: 'who', args: {}, id: 'a' }])
      .respond(new AIMessage('done'))
    const agent = createAgent({
      model,
      tools: [createWhoTool(authsec, { requireSubject: true })],
      ...(contextSchema && { contextSchema }),
    })
    const context = { region: 'eu', ...delegationContext(authsec.subject(BOB)) }
    const { messages } = await agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, { context })
    expect(messages.find((message) => message.type === 'tool')?.content).toBe('user-bob')
  })

  test.each<{ why: string; config: object }>([
    { why: 'a token instead of a subject', config: { context: { authsec: BOB } } },
    { why: 'an identity in configurable', config: { configurable: { authsec: BOB } } },
    { why: 'an object that is no subject', config: { context: { authsec: { token: BOB } } } },
  ])('is refused for $why, which would stand in a trace', async ({ config }) => {
    const { authsec, stub } = createStubbedClient()
    const failure = await createWhoTool(authsec)
      .invoke({}, config)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'configuration' })
    expect(String(failure)).not.toContain(BOB)
    expect(stub.requests).toEqual([])
  })

  test('is refused for the subject of another client', async () => {
    const { authsec } = createStubbedClient()
    const context = delegationContext(createStubbedClient().authsec.subject(BOB))
    await expect(createWhoTool(authsec).invoke({}, { context })).rejects.toMatchObject({
      code: 'request_invalid',
    })
  })

  test('is what a tool may insist on', async () => {
    const { authsec, stub } = createStubbedClient()
    const who = createWhoTool(authsec, { requireSubject: true })
    await expect(who.invoke({})).rejects.toMatchObject({ code: 'configuration' })
    expect(stub.requests).toEqual([])
  })
})

test('delegationContext takes nothing but a subject', () => {
  expect(() => delegationContext(BOB as never)).toThrow(expect.objectContaining({ code: 'configuration' }))
})

test('currentDelegation is an error outside of a delegated tool', () => {
  expect(currentDelegation).toThrow(expect.objectContaining({ code: 'configuration' }))
})
