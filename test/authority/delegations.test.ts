import { randomUUID } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import type { GrantInput } from '../../src/authority/delegation-terms.js'
import { hashSigningInput } from '../../src/authority/signer.js'
import {
  type AuthorityBench,
  DAY_MS,
  openBench,
  PROVENANCE,
  refusalOf,
  START,
} from '../support/authority-bench.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

const pull = () => bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE)
const revoke = (clientId = bench.seeded.agentId) =>
  bench.authority.delegations.revoke(clientId, bench.admin.user, PROVENANCE)
const grant = (input: Partial<GrantInput> = {}, user = bench.alice) =>
  bench.authority.delegations.grant(
    { clientId: bench.seeded.agentId, agentType: 'langchain', audience: ['authsec-api'], ...input },
    user,
    PROVENANCE,
  )

describe('granting', () => {
  test('gives the agent a token that says what it may do, for whom, in whole seconds', async () => {
    const { token, delegation } = await grant({ audience: ['https://billing.example'] })
    const now = Math.floor(bench.clock.now / 1000)
    const { tenantId } = bench.authority.identity
    const client = await bench.authority.clients.find(bench.seeded.agentId)
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'RS256', typ: 'JWT' })
    expect(decodeJwt(token)).toEqual({
      iss: `spiffe://${tenantId}`,
      sub: client.spiffeId,
      aud: ['https://billing.example'],
      iat: now,
      nbf: now,
      exp: now + 3_600,
      jti: delegation.jti,
      user_id: bench.alice.id,
      tenant_id: tenantId,
      agent_type: 'langchain',
      permissions: ['billing:read', 'orders:read', 'profile:read'],
      client_id: client.id,
    })
    expect(delegation).toMatchObject({
      status: 'active',
      resources: ['https://billing.example'],
      ttlSeconds: 3_600,
      createdAt: now * 1000,
      updatedAt: now * 1000,
      expiresAt: (now + 3_600) * 1000,
    })
  })

  test('seals the token where it lies', async () => {
    const { token } = await grant()
    const stored = await bench.store.delegations.findByClient(bench.seeded.agentId)
    expect(Buffer.from(stored?.sealedToken ?? []).toString('latin1')).not.toContain(token.slice(0, 20))
  })

  test.each([
    { asked: undefined, becomes: 3_600 },
    { asked: 0, becomes: 3_600 },
    { asked: -5, becomes: 3_600 },
    { asked: 60, becomes: 60 },
    { asked: 10 * 86_400, becomes: 86_400 },
  ])('for $asked seconds lasts $becomes', async ({ asked, becomes }) => {
    const { token, delegation } = await grant({ ttlSeconds: asked })
    const { exp = 0, iat = 0 } = decodeJwt(token)
    expect([exp - iat, delegation.ttlSeconds]).toEqual([becomes, becomes])
  })

  test('never lasts longer than the policy has it', async () => {
    bench.store.alter({ policy: { maxTtlSeconds: 120 } })
    expect((await grant({ ttlSeconds: 3_600 })).delegation.ttlSeconds).toBe(120)
  })

  test('reaches the resources of the policy within the audience', async () => {
    const { delegation } = await grant({ audience: ['https://orders.example', 'https://elsewhere.example'] })
    expect(delegation.resources).toEqual(['https://orders.example'])
  })

  test('hands over what the user has within what the policy allows', async () => {
    const reader = { ...bench.alice, permissions: new Set(['billing:read', 'billing:refund']) }
    expect((await grant({}, reader)).delegation.permissions).toEqual(['billing:read'])
  })

  test('under a policy without permissions hands over everything, and says so', async () => {
    bench.store.alter({ policy: { allowedPermissions: [] } })
    const events = await bench.eventsOf(async () => {
      const { delegation, warnings } = await grant()
      expect(delegation.permissions).toEqual([
        'billing:read',
        'billing:refund',
        'orders:read',
        'profile:read',
      ])
      expect(warnings).toEqual([expect.stringContaining('everything you have is delegated')])
    })
    expect(events).toMatchObject([{ details: { warnings: [expect.stringContaining('everything')] } }])
  })

  test('is recorded once, with the token by its hash', async () => {
    let token = ''
    const events = await bench.eventsOf(async () => {
      token = (await grant()).token
    })
    expect(events).toEqual([
      expect.objectContaining({
        type: 'delegation.granted',
        outcome: 'allow',
        actor: { type: 'user', id: bench.alice.id },
        client: bench.seeded.agentId,
        jti: decodeJwt(token).jti,
        token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))),
        permissions: { granted: ['billing:read', 'orders:read', 'profile:read'] },
      }),
    ])
  })
})

// AuthSec's order: each case is wrong in its own way and in every way that comes after it.
describe('granting is refused, and the first reason in AuthSec’s order is the one given', () => {
  const cases: {
    code: string
    message: string
    set: () => { input?: Partial<GrantInput>; roles?: string[]; active?: boolean }
  }[] = [
    {
      code: 'client_not_found',
      message: 'no agent',
      set: () => {
        bench.store.alter({ client: { clientType: 'application', active: false, spiffeId: undefined } })
        return { roles: [] }
      },
    },
    {
      code: 'client_not_found',
      message: 'no agent',
      set: () => {
        bench.store.alter({ client: { deletedAt: START, active: false, spiffeId: undefined } })
        return { roles: [] }
      },
    },
    {
      code: 'client_inactive',
      message: 'is not active',
      set: () => {
        bench.store.alter({ client: { active: false, spiffeId: undefined } })
        return { roles: [] }
      },
    },
    {
      code: 'identity_missing',
      message: 'has no SPIFFE identity',
      set: () => {
        bench.store.alter({ client: { spiffeId: undefined } })
        return { roles: [] }
      },
    },
    {
      code: 'delegation_not_allowed',
      message: 'the user is not active',
      set: () => ({ roles: [], active: false }),
    },
    {
      code: 'delegation_not_allowed',
      message: 'the user has no roles',
      set: () => ({ roles: [], input: { agentType: 'crewai' } }),
    },
    {
      code: 'delegation_not_allowed',
      message: 'is registered as "langchain", not "crewai"',
      set: () => ({ roles: ['nobody'], input: { agentType: 'crewai' } }),
    },
    {
      code: 'delegation_not_allowed',
      message: 'no enabled policy lets nobody delegate to agent type "langchain"',
      set: () => ({ roles: ['nobody'] }),
    },
    {
      code: 'nothing_to_delegate',
      message: 'no permission that the policy allows',
      set: () => {
        bench.store.alter({ policy: { allowedPermissions: ['x:y'], clientId: randomUUID() } })
        return { input: { audience: ['https://elsewhere.example'] } }
      },
    },
    {
      code: 'policy_bound_elsewhere',
      message: 'Delegation policy is bound to client',
      set: () => {
        bench.store.alter({ policy: { clientId: randomUUID() } })
        return { input: { audience: ['https://elsewhere.example'] } }
      },
    },
    {
      code: 'delegation_not_allowed',
      message: 'the policy does not reach "https://elsewhere.example"',
      set: () => ({ input: { audience: ['https://elsewhere.example'] } }),
    },
  ]

  test.each(cases)('$code: $message', async ({ code, message, set }) => {
    const former = await bench.grant()
    const { input = {}, roles = bench.alice.roles, active = true } = set()
    const events = await bench.eventsOf(async () => {
      const refusal = await refusalOf(grant(input, { ...bench.alice, roles, active }))
      expect(refusal.code).toBe(code)
      expect(refusal.message).toContain(message)
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'delegation.granted', outcome: 'deny', reason: code }),
    ])
    const standing = await bench.store.delegations.findByClient(bench.seeded.agentId)
    expect(standing?.jti).toBe(former.delegation.jti)
  })

  test.each([{ enabled: false }, { agentType: 'crewai' }, { roleName: 'admin' }])(
    'delegation_not_allowed: under a policy that is named and has become %j',
    async (change) => {
      const [policy] = await bench.store.policies.list({ agentType: 'langchain' })
      if (policy === undefined) throw new Error('the dev seed has no policy')
      await expect(grant({ policy })).resolves.toBeDefined()
      await bench.store.write((transaction) => transaction.policies.update({ ...policy, ...change }))
      expect(await refusalOf(grant({ policy }))).toMatchObject({ code: 'delegation_not_allowed' })
    },
  )

  test.each(['', 'demo-agent', randomUUID()])('client_not_found: for the id %j', async (clientId) => {
    expect(await refusalOf(grant({ clientId }))).toMatchObject({ code: 'client_not_found' })
  })
})

describe('granting while something else changes', () => {
  test.each<{ what: string; code: string; happen: () => unknown }>([
    {
      what: 'the policy allows less',
      code: 'conflict',
      happen: () => bench.store.alter({ policy: { allowedPermissions: ['orders:read'] } }),
    },
    {
      what: 'the policy allows nothing that the user has',
      code: 'nothing_to_delegate',
      happen: () => bench.store.alter({ policy: { allowedPermissions: ['nothing:known'] } }),
    },
    {
      what: 'the agent is deactivated',
      code: 'client_inactive',
      happen: () => bench.store.alter({ client: { active: false } }),
    },
    {
      what: 'the agent loses its identity',
      code: 'identity_missing',
      happen: () => bench.store.alter({ client: { spiffeId: undefined } }),
    },
    {
      what: 'the user is deactivated',
      code: 'access_denied',
      happen: () => bench.store.alter({ user: { active: false } }),
    },
  ])('hands out nothing where $what', async ({ code, happen }) => {
    const former = await bench.grant()
    bench.store.beforeNextWrite(happen)
    const events = await bench.eventsOf(async () => expect((await refusalOf(grant())).code).toBe(code))
    expect(events).toEqual([
      expect.objectContaining({ type: 'delegation.granted', outcome: 'deny', reason: code }),
    ])
    const standing = await bench.store.delegations.findByClient(bench.seeded.agentId)
    expect(standing?.jti).toBe(former.delegation.jti)
  })
})

describe('granting again', () => {
  test('replaces what was there: one row, another token, the time of its creation kept', async () => {
    const first = await bench.grant()
    bench.clock.now += 10_000
    const second = await bench.grant()
    expect(second.delegation.id).toBe(first.delegation.id)
    expect(second.delegation.jti).not.toBe(first.delegation.jti)
    expect(second.delegation.createdAt).toBe(first.delegation.createdAt)
    expect(second.delegation.updatedAt).toBe(first.delegation.updatedAt + 10_000)
    expect((await pull()).token).toBe(second.token)
  })

  test('brings back an agent whose delegation was revoked', async () => {
    await bench.grant()
    await revoke()
    const { token } = await bench.grant()
    expect((await pull()).token).toBe(token)
  })
})

describe('pulling', () => {
  test('gives the very token that was granted, as often as it is asked', async () => {
    const { token, delegation } = await bench.grant()
    const held = await pull()
    expect(held.token).toBe(token)
    expect(held.delegation).toMatchObject({
      id: delegation.id,
      jti: delegation.jti,
      resources: delegation.resources,
    })
    expect((await pull()).token).toBe(token)
  })

  test('is recorded once with what was handed out', async () => {
    const { token, delegation } = await bench.grant()
    expect(await bench.eventsOf(pull)).toEqual([
      expect.objectContaining({
        type: 'delegation.pulled',
        outcome: 'allow',
        client: bench.seeded.agentId,
        subject: { type: 'user', id: bench.alice.id },
        jti: delegation.jti,
        delegation: delegation.id,
        token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))),
        aud: ['authsec-api'],
      }),
    ])
  })

  test.each([
    { when: 'nothing was granted', code: 'no_delegation', happen: async () => {} },
    {
      when: 'it was revoked',
      code: 'no_delegation',
      happen: async () => {
        await bench.grant()
        await revoke()
      },
    },
    {
      when: 'the agent is not active',
      code: 'no_delegation',
      happen: async () => {
        await bench.grant()
        bench.store.alter({ client: { active: false } })
      },
    },
    {
      when: 'the user is not active',
      code: 'no_delegation',
      happen: async () => {
        await bench.grant()
        bench.store.alter({ user: { active: false } })
      },
    },
  ])('is refused when $when', async ({ code, happen }) => {
    await happen()
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(pull())).toMatchObject({ code })
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'delegation.pulled', outcome: 'deny', reason: code }),
    ])
  })

  test('names who has pulled it where that is not the agent', async () => {
    await bench.grant()
    const puller = { type: 'user', id: bench.admin.user.id } as const
    const events = await bench.eventsOf(() =>
      bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE, puller),
    )
    expect(events).toEqual([
      expect.objectContaining({ type: 'delegation.pulled', actor: puller, client: bench.seeded.agentId }),
    ])
  })

  test('is refused for a client that does not exist', async () => {
    const unknown = bench.authority.delegations.pull(randomUUID(), PROVENANCE)
    expect(await refusalOf(unknown)).toMatchObject({ code: 'client_not_found' })
  })

  test('after the end says once that it has expired, and from then on that there is none', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now = delegation.expiresAt - 1
    await pull()
    bench.clock.now = delegation.expiresAt
    const events = await bench.eventsOf(async () => {
      const first = await refusalOf(pull())
      expect(first.code).toBe('delegation_expired')
      expect(first.details).toEqual({ expired_at: '2026-11-25T09:00:00Z' })
      expect(await refusalOf(pull())).toMatchObject({ code: 'no_delegation' })
      expect(await refusalOf(pull())).toMatchObject({ code: 'no_delegation' })
    })
    expect(events.map(({ type, outcome, reason }) => [type, outcome, reason])).toEqual([
      ['delegation.expired', 'allow', undefined],
      ['delegation.pulled', 'deny', 'delegation_expired'],
      ['delegation.pulled', 'deny', 'no_delegation'],
      ['delegation.pulled', 'deny', 'no_delegation'],
    ])
  })

  test('says so once however many ask at once', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now = delegation.expiresAt + DAY_MS
    const refusals = await Promise.all(Array.from({ length: 10 }, () => refusalOf(pull())))
    expect(refusals.map(({ code }) => code).sort()).toEqual([
      'delegation_expired',
      ...Array<string>(9).fill('no_delegation'),
    ])
  })

  test('marks the row at a whole second', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now = delegation.expiresAt + 1_234
    await refusalOf(pull())
    expect(await bench.store.delegations.findByClient(bench.seeded.agentId)).toMatchObject({
      status: 'expired',
      updatedAt: delegation.expiresAt + 1_000,
    })
  })

  test('hands out nothing that is revoked while it is under way', async () => {
    await bench.grant()
    bench.store.beforeNextWrite(() => revoke())
    expect(await refusalOf(pull())).toMatchObject({ code: 'no_delegation' })
    const [last] = (await bench.events()).slice(-1)
    expect(last).toMatchObject({ type: 'delegation.pulled', outcome: 'deny' })
    expect(last).not.toHaveProperty('token_hash')
  })

  test('hands out the new token when it is replaced while it is under way', async () => {
    await bench.grant()
    let renewed = ''
    bench.store.beforeNextWrite(async () => {
      renewed = (await bench.grant()).token
    })
    expect((await pull()).token).toBe(renewed)
    expect((await bench.events()).at(-1)?.jti).toBe(decodeJwt(renewed).jti)
  })
})

describe('revoking', () => {
  test('ends it at once, whoever granted it, and is recorded', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now += 1_500
    expect(await bench.eventsOf(() => revoke())).toEqual([
      expect.objectContaining({
        type: 'delegation.revoked',
        outcome: 'allow',
        actor: { type: 'user', id: bench.admin.user.id },
        subject: { type: 'user', id: bench.alice.id },
        jti: delegation.jti,
        delegation: delegation.id,
      }),
    ])
    expect(await bench.authority.delegations.findActive(bench.seeded.agentId)).toBeUndefined()
    expect(await bench.store.delegations.findByClient(bench.seeded.agentId)).toMatchObject({
      status: 'revoked',
      updatedAt: Math.floor(bench.clock.now / 1000) * 1000,
    })
  })

  test('is refused where there is nothing, and the second time', async () => {
    expect(await refusalOf(revoke(randomUUID()))).toMatchObject({ code: 'no_delegation' })
    await bench.grant()
    await revoke()
    const events = await bench.eventsOf(() => refusalOf(revoke()))
    expect(events).toEqual([
      expect.objectContaining({ type: 'delegation.revoked', outcome: 'deny', reason: 'no_delegation' }),
    ])
  })

  test('is done once when two do it at once', async () => {
    await bench.grant()
    const outcomes = await Promise.allSettled([revoke(), revoke()])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

test('what is not active is not found', async () => {
  const { findActive } = bench.authority.delegations
  expect(await findActive(bench.seeded.agentId)).toBeUndefined()
  const { delegation } = await bench.grant()
  expect(await findActive(bench.seeded.agentId)).toMatchObject({ jti: delegation.jti })
})
