import { format, inspect } from 'node:util'
import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { RunCollectorCallbackHandler } from '@langchain/core/tracers/run_collector'
import { MemorySaver } from '@langchain/langgraph'
import { createAgent, fakeModel } from 'langchain'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { delegatedTool } from '../../src/langchain/index.js'
import { oauthError } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const BILLING = 'https://billing.example'
const schema = { type: 'object', properties: { id: { type: 'string' } } } as const

/** Records whatever LangChain tells a callback handler, all events and all arguments. */
function createRecorder(seen: unknown[]): BaseCallbackHandler {
  const handler = BaseCallbackHandler.fromMethods({})
  return new Proxy(handler, {
    get(target, name, receiver) {
      if (typeof name !== 'string' || !name.startsWith('handle')) return Reflect.get(target, name, receiver)
      return (...args: unknown[]) => {
        seen.push([name, ...args])
      }
    },
    has: (target, name) =>
      (typeof name === 'string' && name.startsWith('handle')) || Reflect.has(target, name),
  })
}

/** Everything that can be read off a value without its private fields, as text. */
function dump(value: unknown): string {
  const seen = new WeakSet<object>()
  const json = JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === 'bigint') return String(member)
    if (member instanceof Map) return [...member]
    if (member instanceof Uint8Array) return new TextDecoder().decode(member)
    if (typeof member === 'object' && member !== null) {
      if (seen.has(member)) return '[seen]'
      seen.add(member)
    }
    return member
  })
  return (
    json +
    inspect(value, {
      depth: 12,
      showHidden: true,
      getters: true,
      maxArrayLength: null,
      maxStringLength: null,
    })
  )
}

describe('a token', () => {
  const printed: string[] = []

  beforeEach(() => {
    printed.length = 0
    vi.spyOn(console, 'log').mockImplementation((...values) => printed.push(format(...values)))
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('of a delegated tool is in no callback, trace, message, event, checkpoint or output', async () => {
    const { authsec, stub, events } = createStubbedClient()
    const callbacks: unknown[] = []
    const collector = new RunCollectorCallbackHandler()
    const checkpointer = new MemorySaver()
    const used: string[] = []
    const billTool = delegatedTool(
      authsec,
      async ({ id }: { id: string }, context) => {
        const token = await context.token()
        used.push(token.reveal())
        // A careless tool: it prints the token and gives it to the model.
        console.log(token)
        return { id, token }
      },
      { name: 'get_bill', schema, delegation: { audience: BILLING, permissions: ['billing:read'] } },
    )
    const profileTool = delegatedTool(
      authsec,
      async (_input: object, context) => (await context.token()).jti,
      {
        name: 'get_profile',
        schema,
        delegation: { audience: 'https://profile.example', permissions: ['profile:read'] },
      },
    )
    const model = fakeModel()
      .respondWithTools([{ name: 'get_bill', args: { id: '1' }, id: 'first' }])
      .respondWithTools([{ name: 'get_profile', args: {}, id: 'second' }])
      .respond(new AIMessage('done'))
    stub.script('exchange', stub.answer, () => oauthError(403, 'access_denied', `not with ${stub.issued[0]}`))
    const agent = createAgent({ model, tools: [billTool, profileTool], checkpointer })
    const config = {
      callbacks: [createRecorder(callbacks), collector],
      configurable: { thread_id: 'thread-1' },
      metadata: { user: 'alice' },
    }

    const streamed: unknown[] = []
    for await (const event of agent.streamEvents(
      { messages: [new HumanMessage('my bill and my profile')] },
      { ...config, version: 'v2' },
    )) {
      streamed.push(event)
    }
    const state = await agent.graph.getState({ configurable: { thread_id: 'thread-1' } })

    const everything = [
      callbacks,
      collector.tracedRuns,
      streamed,
      state,
      checkpointer.storage,
      events,
      authsec,
      billTool,
    ]
    const text = dump(everything) + dump(printed)
    expect(text).toContain('handleToolEnd')
    expect(text).toContain('get_profile')
    expect(text).toContain('Access denied')
    expect(printed.join()).toContain('[redacted]')
    expect(used).toHaveLength(1)
    expect(stub.issued).toHaveLength(2)
    for (const secret of stub.issued.flatMap((jwt) => [jwt, jwt.split('.')[1] as string])) {
      expect(text).not.toContain(secret)
    }
  })

  test('that a tool gives away on purpose would be found', async () => {
    const { authsec, stub } = createStubbedClient()
    const callbacks: unknown[] = []
    const careless = delegatedTool(
      authsec,
      async (_input: object, context) => (await context.token()).reveal(),
      {
        name: 'get_bill',
        schema,
        delegation: { audience: BILLING, permissions: ['billing:read'] },
      },
    )
    await careless.invoke({}, { callbacks: [createRecorder(callbacks)] })
    expect(dump(callbacks)).toContain(stub.issued[1])
  })
})
