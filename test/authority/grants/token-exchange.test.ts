import { createLocalJWKSet, jwtVerify } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { hashSigningInput, signJwt } from '../../../src/authority/signer.js'
import type { Alteration } from '../../support/altered-store.js'
import {
  type AuthorityBench,
  ISSUER,
  openBench,
  PROVENANCE,
  refusalOf,
} from '../../support/authority-bench.js'

const BILLING = 'https://billing.example'

let bench: AuthorityBench
let baseToken: string

beforeEach(async () => {
  bench = await openBench()
  baseToken = (await bench.grant()).token
})

describe('exchanging a base token', () => {
  test('gives a token that another implementation verifies, with the claims of a call token', async () => {
    const answer = await bench.exchange(baseToken, { tool: 'show_bills' })
    const { tenantId } = bench.authority.identity
    const { payload, protectedHeader } = await jwtVerify(
      answer.access_token,
      createLocalJWKSet(bench.authority.keyring.callKeySet),
      {
        issuer: ISSUER,
        audience: BILLING,
        typ: 'at+jwt',
        algorithms: ['ES256'],
        currentDate: new Date(bench.clock.now),
      },
    )
    const now = Math.floor(bench.clock.now / 1000)
    const agent = await bench.authority.clients.find(bench.seeded.agentId)
    const delegation = await bench.store.delegations.findByClient(agent.id)
    expect(protectedHeader).toEqual({
      alg: 'ES256',
      typ: 'at+jwt',
      kid: bench.authority.keyring.active.call.kid,
    })
    expect(payload).toEqual({
      iss: ISSUER,
      sub: bench.alice.id,
      aud: BILLING,
      iat: now,
      nbf: now,
      exp: now + 60,
      jti: expect.any(String),
      client_id: agent.id,
      tenant_id: tenantId,
      scope: 'billing:read',
      permissions: ['billing:read'],
      act: { sub: agent.spiffeId, client_id: agent.id },
      authsec_grant: 'standing',
      authsec_delegation: delegation?.id,
      parent_jti: delegation?.jti,
      authsec_audit: answer.authsec_audit,
      txn: expect.any(String),
      tool: 'show_bills',
    })
    expect(answer).toEqual({
      access_token: expect.any(String),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 60,
      scope: 'billing:read',
      authsec_audit: expect.any(String),
    })
  })

  test('is recorded once, by what is signed', async () => {
    let token = ''
    const events = await bench.eventsOf(async () => {
      token = (await bench.exchange(baseToken, { scope: 'billing:read', tool: 'show_bills' })).access_token
    })
    const [, payload] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload as string, 'base64url').toString())
    expect(events).toEqual([
      {
        v: 1,
        id: claims.authsec_audit,
        log: bench.authority.identity.logId,
        tenant: bench.authority.identity.tenantId,
        boot: bench.authority.identity.bootId,
        occurred_at: '2026-11-24T09:00:00.250Z',
        request_id: PROVENANCE.requestId,
        source: PROVENANCE.source,
        type: 'token.exchanged',
        outcome: 'allow',
        actor: { type: 'client', id: bench.seeded.agentId },
        subject: { type: 'user', id: bench.alice.id },
        client: bench.seeded.agentId,
        act: claims.act,
        aud: [BILLING],
        permissions: { asked: ['billing:read'], granted: ['billing:read'] },
        jti: claims.jti,
        parent_jti: claims.parent_jti,
        delegation: claims.authsec_delegation,
        policy: expect.any(String),
        details: { tool: 'show_bills', expires_in: 60 },
        token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))),
        kid: bench.authority.keyring.active.call.kid,
        txn: claims.txn,
      },
    ])
  })

  test('takes audience for resource, and both when they are one', async () => {
    const byAudience = { resource: undefined, audience: BILLING }
    expect((await bench.exchange(baseToken, byAudience)).scope).toBe('billing:read')
    expect((await bench.exchange(baseToken, { audience: BILLING })).scope).toBe('billing:read')
  })

  test.each(['1', '60', '300'])('lives the %s seconds that are asked', async (seconds) => {
    const { expires_in } = await bench.exchange(baseToken, { ttl_seconds: seconds })
    expect(expires_in).toBe(Number(seconds))
  })

  test('clamps to the life that its parent has left', async () => {
    const { token, delegation } = await bench.grant(['authsec-api'], 100)
    bench.clock.now = delegation.expiresAt - 20_000
    expect((await bench.exchange(token, { ttl_seconds: '300' })).expires_in).toBe(20)
  })

  test('is another token each time', async () => {
    const [one, two] = await Promise.all([bench.exchange(baseToken), bench.exchange(baseToken)])
    expect(one.access_token).not.toBe(two.access_token)
    expect(one.authsec_audit).not.toBe(two.authsec_audit)
  })
})

describe('what is refused for the way it is asked', () => {
  test.each<{ why: string; fields: Record<string, string | undefined>; code: string }>([
    { why: 'an actor token', fields: { actor_token: 'x' }, code: 'invalid_request' },
    { why: 'an actor token type alone', fields: { actor_token_type: 'x' }, code: 'invalid_request' },
    { why: 'no subject token', fields: { subject_token: undefined }, code: 'invalid_request' },
    { why: 'no subject token type', fields: { subject_token_type: undefined }, code: 'invalid_request' },
    { why: 'an unknown subject token type', fields: { subject_token_type: 'jwt' }, code: 'invalid_request' },
    { why: 'another token in return', fields: { requested_token_type: 'x' }, code: 'invalid_request' },
    { why: 'no second', fields: { ttl_seconds: '0' }, code: 'invalid_request' },
    { why: 'more than 300 seconds', fields: { ttl_seconds: '301' }, code: 'invalid_request' },
    { why: 'a negative life', fields: { ttl_seconds: '-1' }, code: 'invalid_request' },
    { why: 'half a second', fields: { ttl_seconds: '1.5' }, code: 'invalid_request' },
    { why: 'a life as a power', fields: { ttl_seconds: '1e2' }, code: 'invalid_request' },
    { why: 'a life with a space', fields: { ttl_seconds: ' 60' }, code: 'invalid_request' },
    { why: 'a life in hexadecimal', fields: { ttl_seconds: '0x10' }, code: 'invalid_request' },
    { why: 'a tool without name', fields: { tool: '' }, code: 'invalid_request' },
    { why: 'a tool of 129 characters', fields: { tool: 't'.repeat(129) }, code: 'invalid_request' },
    { why: 'a tool with half a character', fields: { tool: '\ud800' }, code: 'invalid_request' },
    { why: 'no resource', fields: { resource: undefined }, code: 'invalid_target' },
    { why: 'two APIs', fields: { audience: 'https://orders.example' }, code: 'invalid_target' },
    { why: 'a resource that is no URI', fields: { resource: 'billing' }, code: 'invalid_target' },
    { why: 'a resource with a fragment', fields: { resource: `${BILLING}#a` }, code: 'invalid_target' },
    { why: 'a resource not registered', fields: { resource: 'https://x.example' }, code: 'invalid_target' },
    { why: 'a resource with a slash more', fields: { resource: `${BILLING}/` }, code: 'invalid_target' },
    {
      why: 'a resource in upper case',
      fields: { resource: 'https://BILLING.example' },
      code: 'invalid_target',
    },
    { why: 'AuthSec itself as an API', fields: { resource: 'authsec-api' }, code: 'invalid_target' },
    { why: 'what is no permission', fields: { scope: 'billing' }, code: 'invalid_scope' },
    { why: 'a wildcard', fields: { scope: 'billing:*' }, code: 'invalid_scope' },
    { why: 'a blank scope', fields: { scope: ' ' }, code: 'invalid_scope' },
    {
      why: 'more than is delegated',
      fields: { scope: 'billing:read billing:refund' },
      code: 'invalid_scope',
    },
    { why: 'a permission of another API', fields: { scope: 'orders:read' }, code: 'invalid_scope' },
    { why: 'what nobody has', fields: { scope: 'billing:read admin:access' }, code: 'invalid_scope' },
  ])('$why: $code', async ({ fields, code }) => {
    const events = await bench.eventsOf(async () => {
      const refusal = await refusalOf(bench.exchange(baseToken, fields))
      expect(refusal).toMatchObject({ code, auditId: expect.any(String) })
      expect(`${refusal.message} ${refusal.hint}`).not.toContain('eyJ')
    })
    expectOneRefusal(events, code)
  })

  test('never drops what is asked and not given: the refusal names it', async () => {
    const { message, hint } = await refusalOf(
      bench.exchange(baseToken, { scope: 'billing:read billing:refund' }),
    )
    expect(message).toBe('billing:refund is not within the delegation')
    expect(hint).toBe('What may be asked for here: billing:read.')
  })
})

describe('what is refused for the token that is presented', () => {
  test.each<{ why: string; code: string; present: () => Promise<string> }>([
    { why: 'no token at all', code: 'invalid_request', present: async () => 'x' },
    { why: 'a session', code: 'invalid_request', present: () => bench.authority.sessions.start(bench.alice) },
    {
      why: 'a call token',
      code: 'invalid_request',
      present: async () => (await bench.exchange(baseToken)).access_token,
    },
    {
      why: 'a base token with its signature altered',
      code: 'invalid_request',
      present: async () =>
        baseToken.replace(/.{8}$/, (end) => (end === 'AAAAAAAA' ? 'BBBBBBBA' : 'AAAAAAAA')),
    },
    {
      why: 'the claims of a base token under the key of call tokens',
      code: 'invalid_request',
      present: async () =>
        signJwt(bench.authority.keyring.active.call, { typ: 'JWT' }, claimsOf(baseToken)).token,
    },
    {
      why: 'a base token that is over',
      code: 'invalid_grant',
      present: async () => {
        bench.clock.now += 86_400_000
        return baseToken
      },
    },
    {
      why: 'a base token that was replaced',
      code: 'invalid_grant',
      present: async () => {
        await bench.grant()
        return baseToken
      },
    },
    {
      why: 'a base token that was revoked',
      code: 'invalid_grant',
      present: async () => {
        await bench.authority.delegations.revoke(bench.seeded.agentId, bench.alice, PROVENANCE)
        return baseToken
      },
    },
    {
      why: 'a base token of ours that was never the delegation',
      code: 'invalid_grant',
      present: async () => {
        const claims = { ...claimsOf(baseToken), jti: 'another' }
        return signJwt(bench.authority.keyring.active.base, { typ: 'JWT' }, claims).token
      },
    },
    {
      why: "another client's base token",
      code: 'invalid_grant',
      present: async () => {
        const claims = { ...claimsOf(baseToken), client_id: bench.alice.id }
        return signJwt(bench.authority.keyring.active.base, { typ: 'JWT' }, claims).token
      },
    },
  ])('$why: $code', async ({ code, present }) => {
    const presented = await present()
    const events = await bench.eventsOf(async () => {
      const refusal = await refusalOf(bench.exchange(presented))
      expect(refusal.code).toBe(code)
      expect(`${refusal.message} ${refusal.hint}`).not.toContain('eyJ')
    })
    expectOneRefusal(events, code)
  })

  test('the base token of one agent in the hands of another', async () => {
    const other = await bench.authority.clients.register(
      { name: 'thief', email: 'thief@authsec.test', clientType: 'ai_agent', agentType: 'langchain' },
      bench.admin,
      PROVENANCE,
    )
    const events = await bench.eventsOf(async () => {
      const stolen = bench.exchange(baseToken, { client_id: other.id })
      expect(await refusalOf(stolen)).toMatchObject({ code: 'invalid_grant' })
    })
    expectOneRefusal(events, 'invalid_grant')
    expect(events[0]?.client).toBe(other.id)
  })
})

const ENDS: { what: string; alteration: Alteration; code: string }[] = [
  { what: 'the agent is deactivated', alteration: { client: { active: false } }, code: 'invalid_grant' },
  { what: 'the user is deactivated', alteration: { user: { active: false } }, code: 'invalid_grant' },
  { what: 'the user loses the role', alteration: { user: { roles: [] } }, code: 'invalid_grant' },
  { what: 'the policy is disabled', alteration: { policy: { enabled: false } }, code: 'invalid_grant' },
  {
    what: 'the policy goes to another type',
    alteration: { policy: { agentType: 'x' } },
    code: 'invalid_grant',
  },
  { what: 'the policy is bound elsewhere', alteration: { policy: { clientId: 'x' } }, code: 'invalid_grant' },
  { what: 'the resource is deleted', alteration: { resource: 'gone' }, code: 'invalid_target' },
  {
    what: 'the policy loses the resource',
    alteration: { policy: { resources: ['https://orders.example'] } },
    code: 'invalid_target',
  },
  {
    what: 'the user loses the permission',
    alteration: { user: { permissions: new Set(['orders:read']) } },
    code: 'invalid_scope',
  },
  {
    what: 'the policy loses the permission',
    alteration: { policy: { allowedPermissions: ['orders:read'] } },
    code: 'invalid_scope',
  },
  {
    what: 'the resource stops to carry it',
    alteration: { resource: { permissions: ['billing:refund'] } },
    code: 'invalid_scope',
  },
]

describe('a base token that has been exchanged before does not outlive its authority', () => {
  test.each(ENDS)('when $what: $code', async ({ alteration, code }) => {
    await bench.exchange(baseToken)
    bench.store.alter(alteration)
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(bench.exchange(baseToken))).toMatchObject({ code })
    })
    expectOneRefusal(events, code)
  })

  test('when it is revoked, replaced or over', async () => {
    await bench.exchange(baseToken)
    const { token } = await bench.grant()
    expect(await refusalOf(bench.exchange(baseToken))).toMatchObject({ code: 'invalid_grant' })
    await bench.exchange(token)
    await bench.authority.delegations.revoke(bench.seeded.agentId, bench.alice, PROVENANCE)
    expect(await refusalOf(bench.exchange(token))).toMatchObject({ code: 'invalid_grant' })
  })
})

describe('authority that ends between the decision and the commit', () => {
  test.each(ENDS)('refuses what was signed already when $what: $code', async ({ alteration, code }) => {
    bench.store.beforeNextWrite(() => bench.store.alter(alteration))
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(bench.exchange(baseToken))).toMatchObject({ code })
    })
    expectOneRefusal(events, code)
  })

  test.each([
    {
      what: 'revoked',
      type: 'delegation.revoked',
      happen: () => bench.authority.delegations.revoke(bench.seeded.agentId, bench.alice, PROVENANCE),
    },
    { what: 'replaced', type: 'delegation.granted', happen: () => bench.grant() },
  ])('refuses what was signed already when it is $what', async ({ type, happen }) => {
    bench.store.beforeNextWrite(happen)
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(bench.exchange(baseToken))).toMatchObject({ code: 'invalid_grant' })
    })
    expect(events.map((event) => [event.type, event.outcome])).toEqual([
      [type, 'allow'],
      ['token.exchanged', 'deny'],
    ])
    expectOneRefusal(events.slice(1), 'invalid_grant')
  })

  test('lets through what a change elsewhere does not touch', async () => {
    bench.store.beforeNextWrite(() =>
      bench.authority.resources.create(
        { uri: 'https://stock.example', permissions: ['stock:read'] },
        bench.admin,
        PROVENANCE,
      ),
    )
    expect((await bench.exchange(baseToken)).scope).toBe('billing:read')
  })

  test('never has an issuance after its revocation, in a storm of both', async () => {
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => bench.exchange(baseToken)),
      bench.authority.delegations.revoke(bench.seeded.agentId, bench.alice, PROVENANCE),
      ...Array.from({ length: 20 }, () => bench.exchange(baseToken)),
    ])
    const story = (await bench.events()).map(({ type, outcome }) => `${type} ${outcome}`)
    const issued = outcomes.filter(({ status }) => status === 'fulfilled').length - 1
    expect(story.filter((line) => line === 'token.exchanged allow')).toHaveLength(issued)
    expect(story.lastIndexOf('token.exchanged allow')).toBeLessThan(story.indexOf('delegation.revoked allow'))
    expect(issued).toBeLessThan(40)
  })
})

test('without a durable record there is no token', async () => {
  const { AuthsecError } = await import('../../../src/core/errors.js')
  bench.store.failWrites(new AuthsecError('temporarily_unavailable', 'no space'))
  expect(await refusalOf(bench.exchange(baseToken))).toMatchObject({ code: 'temporarily_unavailable' })
})

function claimsOf(token: string): object {
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
}

/** One record, of the refusal, that speaks of no token that nobody has. */
function expectOneRefusal(events: readonly object[], reason: string): void {
  expect(events).toEqual([expect.objectContaining({ type: 'token.exchanged', outcome: 'deny', reason })])
  expect(events[0]).not.toHaveProperty('jti')
  expect(events[0]).not.toHaveProperty('token_hash')
  expect(events[0]).not.toHaveProperty('permissions.granted')
}
