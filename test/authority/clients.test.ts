import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ClientInput } from '../../src/authority/clients.js'
import { type AuthorityBench, openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

const BOT: ClientInput = { name: 'billing-bot', email: 'bot@authsec.test' }
const register = (input: Partial<ClientInput>) =>
  bench.authority.clients.register({ ...BOT, ...input }, bench.admin, PROVENANCE)

describe('registering a client', () => {
  test('gives an agent its SPIFFE id at once, and an application none', async () => {
    const { tenantId } = bench.authority.identity
    const agent = await register({ clientType: 'ai_agent', agentType: 'langchain' })
    expect(agent.spiffeId).toBe(`spiffe://example.org/tenants/${tenantId}/agents/langchain/${agent.id}`)
    const untyped = await register({ clientType: 'ai_agent' })
    expect(untyped.spiffeId).toBe(`spiffe://example.org/tenants/${tenantId}/agents/ai_agent/${untyped.id}`)
    const application = await register({})
    expect(application).toMatchObject({ clientType: 'application', spiffeId: undefined, active: true })
    expect(await bench.authority.clients.find(agent.id)).toEqual(agent)
  })

  test('is recorded with who did it, by ids only', async () => {
    const events = await bench.eventsOf(() => register({ clientType: 'ai_agent', agentType: 'langchain' }))
    expect(events).toEqual([
      expect.objectContaining({
        type: 'client.registered',
        outcome: 'allow',
        actor: { type: 'user', id: bench.admin.user.id },
        client: expect.any(String),
        details: { client_type: 'ai_agent', agent_type: 'langchain' },
      }),
    ])
    expect(JSON.stringify(events)).not.toContain('bot@authsec.test')
  })

  test.each<{ why: string; input: Partial<ClientInput>; message: string }>([
    { why: 'no name', input: { name: '' }, message: 'name ""' },
    { why: 'a name of spaces', input: { name: ' \t' }, message: 'name "' },
    { why: 'a name too long', input: { name: 'n'.repeat(257) }, message: 'name "' },
    { why: 'no e-mail address', input: { email: 'bot' }, message: 'email "bot"' },
    { why: 'an e-mail address with a space', input: { email: 'a b@c' }, message: 'email "a b@c"' },
    { why: 'an e-mail address too long', input: { email: `a@${'b'.repeat(511)}` }, message: 'email "' },
    { why: 'an empty client type', input: { clientType: '' }, message: 'client_type ""' },
    { why: 'a client type too long', input: { clientType: 'c'.repeat(101) }, message: 'client_type "' },
    { why: 'an empty agent type', input: { agentType: '' }, message: 'agent_type ""' },
    { why: 'an agent type with a slash', input: { agentType: 'a/b' }, message: 'agent_type "a/b"' },
    { why: 'an agent type that is a path step', input: { agentType: '..' }, message: 'agent_type ".."' },
    { why: 'an agent type that is a dot', input: { agentType: '.' }, message: 'agent_type "."' },
    { why: 'an agent type too long', input: { agentType: 'a'.repeat(101) }, message: 'agent_type "' },
    { why: 'an unknown platform', input: { platform: 'mainframe' }, message: 'platform "mainframe"' },
    { why: 'a platform of every object', input: { platform: 'toString' }, message: 'platform "toString"' },
    { why: 'a selector without platform', input: { selectors: { 'unix:uid': '1' } }, message: 'selectors' },
    {
      why: "another platform's selector",
      input: { platform: 'docker', selectors: { 'unix:uid': '1' } },
      message: 'selectors "unix:uid"',
    },
  ])('is refused for $why, and the refusal recorded', async ({ input, message }) => {
    const before = await bench.authority.clients.list({ page: 1, limit: 100 })
    const events = await bench.eventsOf(async () => {
      const refusal = await refusalOf(register({ clientType: 'ai_agent', ...input }))
      expect(refusal.code).toBe('invalid_request')
      expect(refusal.message).toContain(message)
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'client.registered', outcome: 'deny', reason: 'invalid_request' }),
    ])
    expect(await bench.authority.clients.list({ page: 1, limit: 100 })).toEqual(before)
  })

  test.each(['...', 'a.b', '.a', 'LangChain_2'])('takes %s as an agent type', async (agentType) => {
    const { spiffeId } = await register({ clientType: 'ai_agent', agentType })
    expect(spiffeId).toContain(`/agents/${agentType}/`)
  })

  test('keeps the selectors of its platform', async () => {
    const selectors = { 'k8s:ns': 'default', 'k8s:sa': 'bot' }
    const { id } = await register({ platform: 'kubernetes', selectors })
    expect(await bench.authority.clients.find(id)).toMatchObject({ platform: 'kubernetes', selectors })
  })
})

describe('finding clients', () => {
  test('takes the id in any case', async () => {
    const { id } = await bench.authority.clients.find(bench.seeded.agentId.toUpperCase())
    expect(id).toBe(bench.seeded.agentId)
  })

  test.each(['', 'demo-agent', '\0', randomUUID(), `${randomUUID()} `])('refuses %j', async (id) => {
    expect(await refusalOf(bench.authority.clients.find(id))).toMatchObject({ code: 'client_not_found' })
  })

  test('turns pages', async () => {
    for (const name of ['one', 'two', 'three']) await register({ name })
    const pages = await Promise.all([1, 2, 3].map((page) => bench.authority.clients.list({ page, limit: 2 })))
    expect(pages.map(({ total, clients }) => [total, clients.length])).toEqual([
      [4, 2],
      [4, 2],
      [4, 0],
    ])
    expect(new Set(pages.flatMap(({ clients }) => clients.map(({ id }) => id))).size).toBe(4)
  })
})
