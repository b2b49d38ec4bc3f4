import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { PolicyInput } from '../../src/authority/policies.js'
import { type AuthorityBench, openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

const TERMS: PolicyInput = {
  roleName: 'member',
  agentType: 'crewai',
  allowedPermissions: ['orders:read', 'billing:read'],
  resources: ['https://billing.example'],
}
const create = (input: Partial<PolicyInput>) =>
  bench.authority.policies.create({ ...TERMS, ...input }, bench.admin, PROVENANCE)

describe('creating a policy', () => {
  test('keeps its terms, in the one order that permissions have', async () => {
    const { policy, warnings } = await create({ clientId: bench.seeded.agentId.toUpperCase() })
    expect(warnings).toEqual([])
    expect(policy).toMatchObject({
      roleName: 'member',
      agentType: 'crewai',
      allowedPermissions: ['billing:read', 'orders:read'],
      resources: ['https://billing.example'],
      maxTtlSeconds: 3_600,
      enabled: true,
      clientId: bench.seeded.agentId,
      createdBy: bench.admin.user.id,
    })
    expect(await bench.authority.policies.list({ agentType: 'crewai' })).toEqual([policy])
  })

  test.each([
    { asked: undefined, becomes: 3_600 },
    { asked: 0, becomes: 3_600 },
    { asked: -1, becomes: 3_600 },
    { asked: 1, becomes: 1 },
    { asked: 86_400, becomes: 86_400 },
    { asked: 86_401, becomes: 86_400 },
    { asked: Number.MAX_SAFE_INTEGER, becomes: 86_400 },
  ])('turns a maximum of $asked seconds into $becomes', async ({ asked, becomes }) => {
    expect((await create({ maxTtlSeconds: asked })).policy.maxTtlSeconds).toBe(becomes)
  })

  test.each<{ what: string; input: Partial<PolicyInput>; warning: string }>([
    { what: 'no permissions', input: { allowedPermissions: [] }, warning: 'everything the user has' },
    { what: 'no resources', input: { resources: undefined }, warning: 'every registered resource' },
    { what: 'the star', input: { resources: ['*'] }, warning: 'every registered resource' },
  ])('says in the answer and in the record what $what means', async ({ input, warning }) => {
    const events = await bench.eventsOf(async () => {
      expect((await create(input)).warnings).toEqual([expect.stringContaining(warning)])
    })
    expect(events).toEqual([
      expect.objectContaining({
        type: 'policy.created',
        outcome: 'allow',
        details: expect.objectContaining({ warnings: [expect.stringContaining(warning)] }),
      }),
    ])
  })

  test.each<{ what: string; input: Partial<PolicyInput>; warning: string }>([
    { what: 'a role that nobody has', input: { roleName: 'membr' }, warning: 'role "membr"' },
    {
      what: 'a resource that is not registered',
      input: { resources: ['https://bilng.example'] },
      warning: '"https://bilng.example" is not registered',
    },
    { what: 'a life that is cut', input: { maxTtlSeconds: 172_800 }, warning: 'lives 1d at most' },
  ])('takes $what, and says so', async ({ input, warning }) => {
    expect((await create(input)).warnings).toEqual([expect.stringContaining(warning)])
  })

  test.each<{ why: string; input: Partial<PolicyInput>; code: string }>([
    { why: 'no role', input: { roleName: '' }, code: 'invalid_request' },
    { why: 'no agent type', input: { agentType: '' }, code: 'invalid_request' },
    { why: 'half a second', input: { maxTtlSeconds: 1.5 }, code: 'invalid_request' },
    { why: 'no number', input: { maxTtlSeconds: Number.NaN }, code: 'invalid_request' },
    { why: 'a client id that is none', input: { clientId: 'demo-agent' }, code: 'invalid_request' },
    { why: 'a client that does not exist', input: { clientId: randomUUID() }, code: 'client_not_found' },
    { why: 'what is no permission', input: { allowedPermissions: ['billing'] }, code: 'invalid_scope' },
    { why: 'a wildcard permission', input: { allowedPermissions: ['billing:*'] }, code: 'invalid_scope' },
    { why: 'a resource that is no URI', input: { resources: ['billing'] }, code: 'invalid_target' },
    { why: 'terms that are taken', input: { agentType: 'langchain' }, code: 'conflict' },
  ])('is refused for $why, and the refusal recorded', async ({ input, code }) => {
    const before = await bench.authority.policies.list({})
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(create(input))).toMatchObject({ code, auditId: expect.any(String) })
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'policy.created', outcome: 'deny', reason: code }),
    ])
    expect(await bench.authority.policies.list({})).toEqual(before)
  })

  test('is refused for a client that is not active', async () => {
    bench.store.alter({ client: { active: false } })
    expect(await refusalOf(create({ clientId: bench.seeded.agentId }))).toMatchObject({
      code: 'client_not_found',
    })
  })

  test('is done once when two ask for the same terms at once', async () => {
    const outcomes = await Promise.allSettled([create({}), create({})])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await bench.authority.policies.list({ agentType: 'crewai' })).toHaveLength(1)
  })
})
