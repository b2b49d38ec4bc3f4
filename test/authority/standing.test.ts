import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideStanding, type StandingRequest } from '../../src/authority/standing.js'
import type { Standing } from '../../src/store/store.js'

const NOW = 1_800_000_000_000
const BILLING = 'https://billing.example'
const PERMISSIONS = ['billing:read', 'billing:refund', 'orders:read', 'profile:read']

const STANDING: Standing = {
  delegation: {
    id: 'd1',
    permissions: ['billing:read', 'orders:read'],
    resources: [BILLING, 'https://orders.example'],
    jti: 'j1',
    status: 'active',
    expiresAt: NOW + 60_000,
  },
  client: { id: 'c1', agentType: 'langchain', spiffeId: 'spiffe://x', active: true, authMethod: 'none' },
  user: {
    id: 'u1',
    email: 'alice@authsec.test',
    active: true,
    roles: ['member'],
    permissions: new Set(PERMISSIONS),
  },
  policy: {
    id: 'p1',
    roleName: 'member',
    agentType: 'langchain',
    allowedPermissions: ['billing:read', 'orders:read'],
    resources: [BILLING, 'https://orders.example'],
    enabled: true,
    clientId: undefined,
  },
  resource: { uri: BILLING, permissions: ['billing:read', 'billing:refund'], signingAlg: 'ES256' },
  revision: 1,
}
const REQUEST: StandingRequest = { resource: BILLING, permissions: undefined, jti: 'j1', now: NOW }

/** The standing with something changed in one of its parts. */
type Change = { [Part in keyof Standing]?: Partial<Standing[Part]> }

function change(parts: Change): Standing {
  const changed = Object.entries(parts).map(([part, values]) => [
    part,
    { ...(STANDING[part as keyof Standing] as object), ...(values as object) },
  ])
  return { ...STANDING, ...Object.fromEntries(changed) }
}

const decide = (parts: Change, request: Partial<StandingRequest> = {}) =>
  [...decideStanding(change(parts), { ...REQUEST, ...request }).permissions].sort()

describe('a base token that stands', () => {
  test('is worth what delegation, user, policy and resource all allow', () => {
    expect(decide({})).toEqual(['billing:read'])
    expect(decide({}, { permissions: new Set(['billing:read']) })).toEqual(['billing:read'])
  })

  test.each<{ what: string; parts: Change }>([
    { what: 'a policy for this very client', parts: { policy: { clientId: 'c1' } } },
    { what: 'a policy for every resource', parts: { policy: { resources: ['*'] } } },
    { what: 'a delegation of every resource', parts: { delegation: { resources: ['*'] } } },
    { what: 'more roles than the one of the policy', parts: { user: { roles: ['admin', 'member'] } } },
    { what: 'the last millisecond', parts: { delegation: { expiresAt: NOW + 1 } } },
  ])('counts under $what', ({ parts }) => {
    expect(decide(parts)).toEqual(['billing:read'])
  })
})

describe('a base token is worth nothing', () => {
  test('without a delegation', () => {
    expect(() => decideStanding(undefined, REQUEST)).toThrow(
      expect.objectContaining({ code: 'invalid_grant', message: 'the client has no delegation' }),
    )
  })

  test.each<{ why: string; parts: Change; code: string; message: string }>([
    {
      why: 'revoked',
      parts: { delegation: { status: 'revoked' } },
      code: 'invalid_grant',
      message: 'revoked',
    },
    {
      why: 'marked as expired',
      parts: { delegation: { status: 'expired' } },
      code: 'invalid_grant',
      message: 'the delegation is expired',
    },
    {
      why: 'expired',
      parts: { delegation: { expiresAt: NOW } },
      code: 'invalid_grant',
      message: 'has expired',
    },
    { why: 'replaced', parts: { delegation: { jti: 'j2' } }, code: 'invalid_grant', message: 'replaced' },
    {
      why: 'its agent',
      parts: { client: { active: false } },
      code: 'invalid_grant',
      message: 'the client is',
    },
    {
      why: 'its user',
      parts: { user: { active: false } },
      code: 'invalid_grant',
      message: 'delegating user is',
    },
    { why: 'its role', parts: { user: { roles: ['admin'] } }, code: 'invalid_grant', message: 'the role' },
    {
      why: 'its policy',
      parts: { policy: { enabled: false } },
      code: 'invalid_grant',
      message: '(disabled)',
    },
    {
      why: 'a policy for other agents',
      parts: { policy: { agentType: 'crewai' } },
      code: 'invalid_grant',
      message: '(agent_type)',
    },
    {
      why: 'a policy for another client',
      parts: { policy: { clientId: 'c2' } },
      code: 'invalid_grant',
      message: '(client)',
    },
    {
      why: 'outside the delegation',
      parts: { delegation: { resources: ['https://orders.example'] } },
      code: 'invalid_target',
      message: 'not within the delegation',
    },
    {
      why: 'outside the policy of now',
      parts: { policy: { resources: ['https://orders.example'] } },
      code: 'invalid_target',
      message: 'not within the delegation',
    },
    {
      why: 'when nothing remains',
      parts: { resource: { permissions: ['profile:read'] } },
      code: 'invalid_scope',
      message: 'holds no permission for',
    },
    {
      why: 'when the user has lost the permission',
      parts: { user: { permissions: new Set(['orders:read']) } },
      code: 'invalid_scope',
      message: 'holds no permission for',
    },
    {
      why: 'when the policy has lost the permission',
      parts: { policy: { allowedPermissions: ['orders:read'] } },
      code: 'invalid_scope',
      message: 'holds no permission for',
    },
  ])('$why', ({ parts, code, message }) => {
    expect(() => decide(parts)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    )
  })

  test('at a resource that is not registered any more', () => {
    expect(() => decideStanding({ ...STANDING, resource: undefined }, REQUEST)).toThrow(
      expect.objectContaining({ code: 'invalid_target' }),
    )
  })

  test.each(['billing:refund', 'orders:read', 'admin:access'])('for %s, which it names', (permission) => {
    expect(() => decide({}, { permissions: new Set(['billing:read', permission]) })).toThrow(
      expect.objectContaining({
        code: 'invalid_scope',
        message: `${permission} is not within the delegation`,
      }),
    )
  })
})

test('whatever is asked under whatever authority, nothing beyond any part of it is given', () => {
  const permissions = fc.subarray(PERMISSIONS)
  const inputs = fc.record({
    delegated: permissions,
    held: permissions,
    allowed: permissions,
    carried: permissions,
    asked: fc.option(permissions, { nil: undefined }),
  })
  fc.assert(
    fc.property(inputs, ({ delegated, held, allowed, carried, asked }) => {
      const parts: Change = {
        delegation: { permissions: delegated },
        user: { permissions: new Set(held) },
        policy: { allowedPermissions: allowed },
        resource: { permissions: carried },
      }
      const ceiling = PERMISSIONS.filter(
        (permission) =>
          delegated.includes(permission) &&
          held.includes(permission) &&
          (allowed.length === 0 || allowed.includes(permission)) &&
          carried.includes(permission),
      )
      const expected = asked ?? ceiling
      const isAllowed = expected.length > 0 && expected.every((permission) => ceiling.includes(permission))
      const request = { permissions: asked && new Set(asked) }
      if (isAllowed) expect(decide(parts, request)).toEqual([...expected].sort())
      else expect(() => decide(parts, request)).toThrow(expect.objectContaining({ code: 'invalid_scope' }))
    }),
    { numRuns: 500 },
  )
})
