import { AIMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { Command, MemorySaver } from '@langchain/langgraph'
import {
  type AgentMiddleware,
  createAgent,
  createMiddleware,
  fakeModel,
  humanInTheLoopMiddleware,
} from 'langchain'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  currentDelegation,
  type DelegationMiddlewareOptions,
  delegationContext,
  delegationMiddleware,
} from '../../src/langchain/index.js'
import type { AuthsecClient } from '../../src/sdk/index.js'
import { oauthError } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const getBill = tool(async ({ id }) => `${id} with ${(await currentDelegation().token()).jti}`, {
  name: 'get_bill',
  schema: z.object({ id: z.string().default('7') }),
})
const getTime = tool(async () => 'noon', { name: 'get_time', schema: z.object({}) })

// Its own types do not agree with exactOptionalPropertyTypes.
const hitl = humanInTheLoopMiddleware as unknown as (options: object) => AgentMiddleware

const tools: DelegationMiddlewareOptions['tools'] = {
  get_bill: { audience: 'https://billing.example', permissions: ['billing:read'] },
}

function createBillAgent(
  authsec: AuthsecClient,
  options: Partial<DelegationMiddlewareOptions> = {},
  name = 'get_bill',
) {
  const model = fakeModel()
    .respondWithTools([{ name, args: {}, id: 'a' }])
    .respond(new AIMessage('done'))
  const middleware = [delegationMiddleware(authsec, { tools, ...options })]
  return createAgent({ model, tools: [getBill, getTime], middleware })
}

async function ask(
  agent: Pick<ReturnType<typeof createBillAgent>, 'invoke'>,
  config: object = {},
): Promise<ToolMessage> {
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, config)
  return messages.find((message): message is ToolMessage => message.type === 'tool') as ToolMessage
}

/** A middleware that adds a tool which the agent was not made with, and the runs of that tool. */
function createIntruder() {
  const ran: string[] = []
  const added = tool(async () => void ran.push('added'), { name: 'added', schema: z.object({}) })
  const adding = createMiddleware({
    name: 'adding',
    wrapModelCall: (request, handler) => handler({ ...request, tools: [...request.tools, added] }),
    wrapToolCall: (request, handler) => handler({ ...request, tool: added }),
  })
  return { ran, adding }
}

function askForAdded(middleware: AgentMiddleware[]): Promise<ToolMessage> {
  const model = fakeModel()
    .respondWithTools([{ name: 'added', args: {}, id: 'a' }])
    .respond(new AIMessage('done'))
  return ask(createAgent({ model, tools: [getBill], middleware }))
}

describe('delegationMiddleware', () => {
  test('gives a tool that knows nothing of it the token that its name has', async () => {
    const { authsec, stub } = createStubbedClient()
    expect(await ask(createBillAgent(authsec))).toMatchObject({ content: '7 with call-1', status: 'success' })
    expect(stub.requests.at(-1)?.form.get('tool')).toBe('get_bill')
  })

  test('acts for the subject of the run', async () => {
    const { authsec, stub } = createStubbedClient()
    const bob = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })
    await ask(createBillAgent(authsec), { context: delegationContext(authsec.subject(bob)) })
    expect(stub.requests.at(-1)?.form.get('subject_token')).toBe(bob)
  })

  test('sees the input as the tool does, defaults included', async () => {
    const { authsec, stub } = createStubbedClient()
    const bound = { get_bill: { ...tools['get_bill'], binding: 'call' } } as typeof tools
    await ask(createBillAgent(authsec, { tools: bound }))
    expect(stub.requests.at(-1)?.form.get('call')).toBe('{"id":"7"}')
  })

  test('binds a call to the arguments that a person has edited, not to those of the model', async () => {
    const { authsec, stub } = createStubbedClient()
    const bound = { get_bill: { ...tools['get_bill'], binding: 'call' } } as typeof tools
    const model = fakeModel()
      .respondWithTools([{ name: 'get_bill', args: { id: 'model' }, id: 'a' }])
      .respond(new AIMessage('done'))
    const agent = createAgent({
      model,
      tools: [getBill],
      checkpointer: new MemorySaver(),
      middleware: [
        hitl({ interruptOn: { get_bill: true } }),
        delegationMiddleware(authsec, { tools: bound }),
      ],
    })
    const config = { configurable: { thread_id: 'thread-1' } }
    await agent.invoke({ messages: [{ role: 'user', content: 'x' }] }, config)
    expect(stub.count('exchange')).toBe(0)
    const editedAction = { name: 'get_bill', args: { id: 'person' } }
    await agent.invoke(new Command({ resume: { decisions: [{ type: 'edit', editedAction }] } }), config)
    expect(stub.requests.at(-1)?.form.get('call')).toBe('{"id":"person"}')
  })

  test('refuses a tool that nobody has declared, and lets it pass when told to', async () => {
    const { authsec, stub } = createStubbedClient()
    expect(await ask(createBillAgent(authsec, {}, 'get_time'))).toMatchObject({
      status: 'error',
      content: expect.stringMatching(/^Access denied/),
      artifact: { code: 'delegation_undeclared' },
    })
    const passing = createBillAgent(authsec, { undeclared: 'pass' }, 'get_time')
    expect(await ask(passing)).toMatchObject({ status: 'success', content: 'noon' })
    expect(stub.requests).toEqual([])
  })

  test.each([
    { where: 'outside', place: (ours: AgentMiddleware, adding: AgentMiddleware) => [ours, adding] },
    { where: 'inside', place: (ours: AgentMiddleware, adding: AgentMiddleware) => [adding, ours] },
  ])('refuses a tool that another middleware has added, $where of which it stands', async ({ place }) => {
    const { authsec } = createStubbedClient()
    const { ran, adding } = createIntruder()
    expect(await askForAdded(place(delegationMiddleware(authsec, { tools }), adding))).toMatchObject({
      artifact: { code: 'delegation_undeclared' },
    })
    expect(ran).toEqual([])
  })

  test('refuses a declared tool that is added where its delegation can no longer be given to it', async () => {
    const { authsec } = createStubbedClient()
    const { ran, adding } = createIntruder()
    const declared = { added: { audience: 'https://billing.example', permissions: ['billing:read'] } }
    const runWith = (onDenied: 'tool-message' | 'throw') =>
      askForAdded([delegationMiddleware(authsec, { tools: declared, onDenied, undeclared: 'pass' }), adding])
    expect(await runWith('tool-message')).toMatchObject({ artifact: { code: 'delegation_undeclared' } })
    await expect(runWith('throw')).rejects.toThrow('the tool "added" has no delegation here')
    expect(ran).toEqual([])
  })

  test('lets what a tool throws end the run, unless another middleware tells the model', async () => {
    const { authsec } = createStubbedClient()
    const fail = async (): Promise<string> => {
      throw new Error('out of order')
    }
    const broken = tool(fail, { name: 'get_bill', schema: getBill.schema })
    const askBroken = (...before: AgentMiddleware[]) => {
      const model = fakeModel()
        .respondWithTools([{ name: 'get_bill', args: {}, id: 'a' }])
        .respond(new AIMessage('done'))
      const middleware = [...before, delegationMiddleware(authsec, { tools })]
      return ask(createAgent({ model, tools: [broken], middleware }))
    }
    await expect(askBroken()).rejects.toThrow('out of order')
    const telling = createMiddleware({
      name: 'telling',
      wrapToolCall: async (request, handler) => {
        const content = 'The bill cannot be had.'
        const { id: tool_call_id = '' } = request.toolCall
        return Promise.resolve(handler(request)).catch(() => new ToolMessage({ content, tool_call_id }))
      },
    })
    expect(await askBroken(telling)).toMatchObject({ content: 'The bill cannot be had.' })
  })

  test('makes a refusal a message for the model, or the end of the run', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    expect(await ask(createBillAgent(authsec))).toMatchObject({
      status: 'error',
      artifact: { code: 'access_denied' },
    })
    await expect(ask(createBillAgent(authsec, { onDenied: 'throw' }))).rejects.toThrow('no')
    await expect(ask(createBillAgent(authsec, { onDenied: 'throw' }, 'get_time'))).rejects.toThrow('get_time')
  })

  test.each<{ options: object; says: string; hint?: string }>([
    { options: { onDeny: 'throw' }, says: '"onDeny" is not a member of', hint: 'Did you mean onDenied?' },
    { options: { onDenied: 'thow' }, says: 'onDenied "thow" is not one of tool-message, throw' },
    { options: { tools: undefined }, says: 'no object is given for the tools of delegationMiddleware' },
    { options: { undeclared: 'allow' }, says: 'undeclared "allow" is not one of deny, pass' },
  ])('is not made with $options', ({ options, says, hint }) => {
    const { authsec } = createStubbedClient()
    expect(() => delegationMiddleware(authsec, { tools, ...options })).toThrow(
      expect.objectContaining({ code: 'configuration', message: expect.stringContaining(says), hint }),
    )
  })

  test('refuses a broken delegation when it is made', () => {
    const { authsec } = createStubbedClient()
    const create = () =>
      delegationMiddleware(authsec, { tools: { get_bill: { audience: '', permissions: [] } } })
    expect(create).toThrow(expect.objectContaining({ code: 'configuration' }))
  })
})

test.each<{ why: string; config: object }>([
  { why: 'a text instead of a subject', config: { context: { authsec: 'a token' } } },
  { why: 'an identity in configurable', config: { configurable: { authsec: 'a token' } } },
])('delegationMiddleware ends a run with $why', async ({ config }) => {
  const { authsec, stub } = createStubbedClient()
  const run = createBillAgent(authsec).invoke({ messages: [{ role: 'user', content: 'x' }] }, config)
  await expect(run).rejects.toMatchObject({ cause: { code: 'configuration' } })
  expect(stub.requests).toEqual([])
})
