import { createHmac, generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { type SigningKey, signJwt } from '../../../src/authority/signer.js'
import { PROVENANCE } from '../../support/authority-bench.js'
import {
  BASE_TOKEN,
  BILLING,
  CALL_TOKEN,
  type ChainBench,
  claimsOf,
  type Fields,
  openChainBench,
  SESSION_TOKEN,
} from '../../support/chain-bench.js'

let bench: ChainBench

beforeEach(async () => {
  bench = await openChainBench()
})

/** One refusal: what is sent, and the only answer that is right. */
interface Refusal {
  why: string
  send: () => Promise<Fields>
  error: string
  /** 400 unless it says otherwise. */
  status?: number
  says: string
}

const WHO_MAY_PRESENT: Refusal[] = [
  {
    why: 'an unknown client',
    send: async () => ({ client_id: '00000000-0000-4000-8000-000000000000' }),
    error: 'invalid_client',
    status: 401,
    says: 'no client',
  },
  {
    why: "another client's base token",
    send: async () => ({ client_id: agent(1).id }),
    error: 'invalid_grant',
    says: 'belongs to another client',
  },
  {
    why: "another client's call token",
    send: async () => ({ client_id: agent(2).id, ...call(await bench.chain(1)) }),
    error: 'invalid_grant',
    says: 'belongs to another client',
  },
  {
    why: 'a call token on whose chain the client once was',
    send: async () => ({ client_id: agent(0).id, ...call(await bench.chain(2)) }),
    error: 'invalid_grant',
    says: 'belongs to another client',
  },
  {
    why: 'an actor that may_act excludes',
    send: async () => ({
      client_id: agent(0).id,
      ...call(await mayAct({ client_id: agent(2).id })),
      ...actor(bench.baseToken),
    }),
    error: 'access_denied',
    says: 'does not let',
  },
  {
    why: 'a missing actor where may_act demands one',
    send: async () => ({ client_id: agent(0).id, ...call(await mayAct({ client_id: agent(0).id })) }),
    error: 'invalid_request',
    says: 'an actor_token has to prove it',
  },
  {
    why: "a third party's actor token",
    send: async () => ({
      ...(await session()),
      actor_token: await bench.chain(2),
      actor_token_type: CALL_TOKEN,
    }),
    error: 'invalid_grant',
    says: 'does not name the client',
  },
  {
    why: 'an actor token that was replaced',
    send: async () => {
      const replaced = bench.baseToken
      await bench.grant()
      return { ...(await session()), ...actor(replaced) }
    },
    error: 'invalid_grant',
    says: 'replaced',
  },
  {
    why: 'a session of a user as actor token',
    send: async () => {
      const { subject_token: token } = await session()
      return { actor_token: token, actor_token_type: SESSION_TOKEN }
    },
    error: 'invalid_request',
    says: 'proves no actor',
  },
  {
    why: 'an actor_token without its type',
    send: async () => ({ actor_token: bench.baseToken }),
    error: 'invalid_request',
    says: 'actor_token_type is missing',
  },
  {
    why: 'an actor_token_type without its token',
    send: async () => ({ actor_token_type: BASE_TOKEN }),
    error: 'invalid_request',
    says: 'without actor_token',
  },
  {
    why: 'a session of a user whose roles no policy lets delegate',
    send: async () => ({
      subject_token: await bench.authority.sessions.start(bench.seeded.admin),
      subject_token_type: SESSION_TOKEN,
    }),
    error: 'unauthorized_client',
    says: 'no policy',
  },
]

const WHAT_IS_DEAD: Refusal[] = [
  {
    why: 'a base token that was replaced',
    send: async () => {
      const replaced = bench.baseToken
      await bench.grant()
      return { subject_token: replaced }
    },
    error: 'invalid_grant',
    says: 'replaced',
  },
  {
    why: 'a call token whose base token was replaced',
    send: async () => {
      const token = await bench.chain(1)
      await bench.grant()
      return call(token)
    },
    error: 'invalid_grant',
    says: 'replaced',
  },
  {
    why: 'a base token that was revoked',
    send: async () => {
      await revoke()
      return {}
    },
    error: 'invalid_grant',
    says: 'is revoked',
  },
  {
    why: 'a call token at the end of a chain whose root was revoked',
    send: async () => {
      const token = await bench.chain(3)
      await revoke()
      return { client_id: agent(2).id, ...call(token) }
    },
    error: 'invalid_grant',
    says: 'is revoked',
  },
  {
    why: 'a call token that was revoked',
    send: async () => {
      const token = await bench.chain(1)
      await revokeToken(0, token)
      return call(token)
    },
    error: 'invalid_grant',
    says: 'has been revoked',
  },
  {
    why: 'a call token at the end of a chain of which an earlier one was revoked',
    send: async () => {
      const first = await exchange({ resource: agent(1).api })
      const second = await as(1, first, agent(2).api)
      const third = await as(2, second, BILLING)
      await revokeToken(0, first)
      return { client_id: agent(2).id, ...call(third) }
    },
    error: 'invalid_grant',
    says: 'has been revoked',
  },
  {
    why: 'an actor token that was revoked',
    send: async () => {
      const token = await bench.chain(1)
      await revokeToken(0, token)
      return { ...(await session()), actor_token: token, actor_token_type: CALL_TOKEN }
    },
    error: 'invalid_grant',
    says: 'the actor token has been revoked',
  },
  {
    why: 'a policy that was disabled after the pull',
    send: async () => {
      bench.store.alter({ policy: { enabled: false } })
      return {}
    },
    error: 'invalid_grant',
    says: 'the policy no longer applies',
  },
  {
    why: 'a policy that was disabled after a hop',
    send: async () => {
      const token = await bench.chain(2)
      bench.store.alter({ policy: { enabled: false } })
      return { client_id: agent(1).id, ...call(token) }
    },
    error: 'invalid_grant',
    says: 'the policy no longer applies',
  },
  {
    why: 'a user who was disabled after the pull',
    send: async () => {
      bench.store.alter({ user: { active: false } })
      return {}
    },
    error: 'invalid_grant',
    says: 'user is not active',
  },
  {
    why: 'a user who lost the role after a hop',
    send: async () => {
      const token = await bench.chain(2)
      bench.store.alter({ user: { roles: [] } })
      return { client_id: agent(1).id, ...call(token) }
    },
    error: 'invalid_grant',
    says: 'no longer has the role',
  },
  {
    why: 'an agent in the middle of the chain that was deactivated',
    send: async () => {
      const token = await bench.chain(3)
      await deactivate(1)
      return { client_id: agent(2).id, ...call(token) }
    },
    error: 'invalid_grant',
    says: 'an actor of the subject token is not active',
  },
  {
    why: 'a session that has ended',
    send: async () => {
      const fields = await session()
      await endSession(fields.subject_token)
      return fields
    },
    error: 'invalid_grant',
    says: 'not a live session',
  },
  {
    why: 'a call token whose session has ended',
    send: async () => {
      const { subject_token: token } = await session()
      const child = await exchange({ subject_token: token, subject_token_type: SESSION_TOKEN })
      await endSession(token)
      return call(child)
    },
    error: 'invalid_grant',
    says: 'is revoked',
  },
  {
    why: 'a base token that has expired',
    send: async () => {
      bench.clock.now += 86_400_000
      return {}
    },
    error: 'invalid_grant',
    says: 'has expired',
  },
  {
    why: 'a call token that has expired',
    send: async () => {
      const token = await bench.chain(1)
      bench.clock.now += 60_000
      return call(token)
    },
    error: 'invalid_grant',
    says: 'has expired',
  },
  {
    why: 'a session that has expired',
    send: async () => {
      const fields = await session()
      bench.clock.now += 86_400_000
      return fields
    },
    error: 'invalid_grant',
    says: 'not a live session',
  },
]

const WHAT_IS_NOT_OURS: Refusal[] = [
  {
    why: 'a base token with a forged signature',
    send: async () => ({ subject_token: forge(bench.baseToken) }),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token with a forged signature',
    send: async () => call(forge(await bench.chain(1))),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'an actor token with a forged signature',
    send: async () => actor(forge(bench.baseToken)),
    error: 'invalid_request',
    says: 'the actor token was not issued by this server',
  },
  {
    why: 'a session of another server',
    send: async () => {
      const { subject_token: token } = await session()
      const [header, payload] = token.split('.')
      const mac = createHmac('sha256', 'another').update(`${header}.${payload}`).digest('base64url')
      return { subject_token: `${header}.${payload}.${mac}`, subject_token_type: SESSION_TOKEN }
    },
    error: 'invalid_request',
    says: 'is not a session of this server',
  },
  {
    why: 'a base token of a foreign issuer',
    send: async () => ({ subject_token: signBase({ iss: 'spiffe://another' }) }),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token of a foreign issuer',
    send: async () => call(await signCall({ iss: 'https://another.example' })),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token of another tenant',
    send: async () => call(await signCall({ tenant_id: '00000000-0000-4000-8000-000000000000' })),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a base token with alg none',
    send: async () => ({ subject_token: unsigned(bench.baseToken, { alg: 'none', typ: 'JWT' }) }),
    error: 'invalid_request',
    says: 'cannot be read',
  },
  {
    why: 'a call token with alg none and something in place of a signature',
    send: async () =>
      call(`${unsigned(await bench.chain(1), { alg: 'none', typ: 'at+jwt', kid: callKey().kid })}AAAA`),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a base token as HS256 under the public key',
    send: async () => ({
      subject_token: confuse(bench.baseToken, bench.authority.keyring.active.base, 'JWT'),
    }),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token as HS256 under the public key',
    send: async () => call(confuse(await bench.chain(1), callKey(), 'at+jwt', callKey().kid)),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token under an unknown key id',
    send: async () => call(await signCall({}, { kid: 'another' })),
    error: 'invalid_request',
    says: 'was not issued by this server',
  },
  {
    why: 'a call token that brings its own key',
    send: async () => {
      const jwk = callKey().publicKey.export({ format: 'jwk' })
      return call(await signCall({}, { jwk }))
    },
    error: 'invalid_request',
    says: 'is not a call token',
  },
  {
    why: 'a call token that nobody delegated',
    send: async () => call(await signCall({ act: undefined })),
    error: 'invalid_request',
    says: 'is not one of a delegation',
  },
]

const WHAT_IS_OF_ANOTHER_KIND: Refusal[] = [
  {
    why: 'a call token as base token',
    send: async () => ({ subject_token: await bench.chain(1) }),
    error: 'invalid_request',
    says: 'is not a base token',
  },
  {
    why: 'a base token as access token',
    send: async () => call(bench.baseToken),
    error: 'invalid_request',
    says: 'is not a call token',
  },
  {
    why: 'a session as access token',
    send: async () => call((await session()).subject_token),
    error: 'invalid_request',
    says: 'is not a call token',
  },
  {
    why: 'a session as base token',
    send: async () => ({ subject_token: (await session()).subject_token }),
    error: 'invalid_request',
    says: 'is not a base token',
  },
  {
    why: 'a base token as session',
    send: async () => ({ subject_token_type: SESSION_TOKEN }),
    error: 'invalid_request',
    says: 'is not a session',
  },
  {
    why: 'a call token as session',
    send: async () => ({ subject_token: await bench.chain(1), subject_token_type: SESSION_TOKEN }),
    error: 'invalid_request',
    says: 'is not a session',
  },
  {
    why: 'what is no token as session',
    send: async () => ({ subject_token: 'nonsense', subject_token_type: SESSION_TOKEN }),
    error: 'invalid_request',
    says: 'is not a session',
  },
  {
    why: 'the claims of a call token under typ JWT',
    send: async () => call(await signCall({}, { typ: 'JWT' })),
    error: 'invalid_request',
    says: 'is not a call token',
  },
  {
    why: 'a token type that is not accepted',
    send: async () => ({ subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    error: 'invalid_request',
    says: 'is not accepted',
  },
  {
    why: 'no token type',
    send: async () => ({ subject_token_type: undefined }),
    error: 'invalid_request',
    says: 'subject_token_type is missing',
  },
  {
    why: 'no token',
    send: async () => ({ subject_token: undefined }),
    error: 'invalid_request',
    says: 'without subject_token',
  },
  {
    why: 'neither token nor type',
    send: async () => ({ subject_token: undefined, subject_token_type: undefined }),
    error: 'invalid_request',
    says: 'subject_token is missing',
  },
]

const WHAT_WOULD_WIDEN: Refusal[] = [
  {
    why: 'a missing audience',
    send: async () => ({ resource: undefined }),
    error: 'invalid_target',
    says: 'resource is missing',
  },
  {
    why: 'an audience that nobody has registered',
    send: async () => ({ resource: 'https://another.example' }),
    error: 'invalid_target',
    says: 'is not within the delegation',
  },
  {
    why: 'a resource outside the row',
    send: async () => {
      const { token } = await bench.grant([BILLING])
      return { subject_token: token, resource: 'https://profile.example' }
    },
    error: 'invalid_target',
    says: 'is not within the delegation',
  },
  {
    why: 'a resource outside the row, at the end of a chain',
    send: async () => {
      const { token } = await bench.grant([agent(1).api])
      const child = await exchange({ subject_token: token, resource: agent(1).api })
      return { client_id: agent(1).id, ...call(child) }
    },
    error: 'invalid_target',
    says: 'is not within the delegation',
  },
  {
    why: 'a scope wider than the delegation',
    send: async () => ({ scope: 'billing:read billing:refund' }),
    error: 'invalid_scope',
    says: 'billing:refund',
  },
  {
    why: 'a scope wider than the parent token',
    send: async () => {
      const child = await exchange({ resource: agent(1).api, scope: 'profile:read' })
      return { client_id: agent(1).id, ...call(child), scope: 'billing:read' }
    },
    error: 'invalid_scope',
    says: 'billing:read',
  },
  {
    why: 'a longer life than a call token has',
    send: async () => ({ ttl_seconds: '301' }),
    error: 'invalid_request',
    says: 'ttl_seconds',
  },
  {
    why: 'another tool than the parent token names',
    send: async () => ({ ...call(await exchange({ tool: 'read' })), tool: 'refund' }),
    error: 'invalid_request',
    says: "is for the tool 'read'",
  },
  {
    why: 'a binding that is dropped',
    send: async () => ({
      ...call(await exchange({ tool: 'read', bind: 'tool' })),
      authorization_details: JSON.stringify([{ type: 'authsec_call', bind: [] }]),
    }),
    error: 'invalid_request',
    says: 'bind',
  },
  {
    why: 'the tool of a binding exchanged for another',
    send: async () => ({
      ...call(await exchange({ tool: 'read', bind: 'tool' })),
      tool: 'refund',
      bind: 'tool',
    }),
    error: 'invalid_request',
    says: "is for the tool 'read'",
  },
  {
    why: 'a token bound to a call as subject',
    send: async () => call(await exchange({ tool: 'refund', call: '{"invoice":"in_1"}' })),
    error: 'invalid_request',
    says: 'bound to one call',
  },
  {
    why: 'a one-time token as subject',
    send: async () => call(await exchange({ one_time: 'true' })),
    error: 'invalid_request',
    says: 'bound to one call',
  },
  {
    why: 'a one-time token as actor',
    send: async () => ({
      ...(await session()),
      actor_token: await exchange({ one_time: 'true' }),
      actor_token_type: CALL_TOKEN,
    }),
    error: 'invalid_request',
    says: 'bound to one call',
  },
  {
    why: 'a sixth actor',
    send: async () => ({ client_id: agent(4).id, ...call(await bench.chain(5)) }),
    error: 'invalid_request',
    says: 'longer than 5',
  },
]

const WHAT_CANNOT_BE_BOUND: Refusal[] = [
  {
    why: 'a binding without a tool',
    send: async () => ({ bind: 'tool' }),
    error: 'invalid_request',
    says: 'name of a tool',
  },
  {
    why: 'a binding to a call without its arguments',
    send: async () => ({ tool: 'refund', bind: 'tool call' }),
    error: 'invalid_request',
    says: 'needs its arguments',
  },
  {
    why: 'an unknown binding',
    send: async () => ({ tool: 'refund', bind: 'tool key' }),
    error: 'invalid_request',
    says: 'neither tool nor tool and call',
  },
  {
    why: 'arguments with a member twice',
    send: async () => ({ tool: 'refund', call: '{"a":1,"a":2}' }),
    error: 'invalid_request',
    says: 'stands twice',
  },
  {
    why: 'arguments that are no object',
    send: async () => ({ tool: 'refund', call: '[]' }),
    error: 'invalid_request',
    says: 'not a JSON object',
  },
  {
    why: 'a one_time that is neither true nor false',
    send: async () => ({ one_time: '1' }),
    error: 'invalid_request',
    says: 'neither true nor false',
  },
  {
    why: 'a may_act that names nobody',
    send: async () => ({ may_act: '{}' }),
    error: 'invalid_request',
    says: 'names nobody',
  },
  {
    why: 'a field through both doors',
    send: async () => ({ tool: 'read', authorization_details: '[{"type":"authsec_call","tool":"read"}]' }),
    error: 'invalid_request',
    says: 'repeats a parameter',
  },
  {
    why: 'authorization details of another type',
    send: async () => ({ authorization_details: '[{"type":"payment"}]' }),
    error: 'invalid_authorization_details',
    says: 'is not offered',
  },
  {
    why: 'authorization details with an unknown field',
    send: async () => ({ authorization_details: '[{"type":"authsec_call","amount":"1"}]' }),
    error: 'invalid_authorization_details',
    says: 'is not a field',
  },
  {
    why: 'authorization details that are no list',
    send: async () => ({ authorization_details: '{"type":"authsec_call"}' }),
    error: 'invalid_authorization_details',
    says: 'not a list of one object',
  },
  {
    why: 'authorization details that are no JSON',
    send: async () => ({ authorization_details: '[{' }),
    error: 'invalid_authorization_details',
    says: 'not valid JSON',
  },
  {
    why: 'authorization details of a call that two parsers could read differently',
    send: async () => ({
      authorization_details: '[{"type":"authsec_call","tool":"read","call":{"amount":9007199254740992}}]',
    }),
    error: 'invalid_request',
    says: 'not finite or beyond',
  },
  ...['[]', '["authsec_call"]', '[{"type":"authsec_call"},{"type":"authsec_call","tool":"read"}]'].map(
    (details) => ({
      why: `authorization details that are a list, not of one object: ${details}`,
      send: async () => ({ authorization_details: details }),
      error: 'invalid_authorization_details',
      says: 'not a list of one object',
    }),
  ),
  ...[
    { field: '"one_time":"true"', says: 'neither true nor false' },
    { field: '"tool":["read"]', says: 'tool is not a text' },
    { field: '"tool":"read","bind":"tool"', says: 'bind is not a list' },
    { field: '"ttl_seconds":"30"', says: 'ttl_seconds is not a number' },
  ].map(({ field, says }) => ({
    why: `authorization details with a field of the wrong type: ${field}`,
    send: async () => ({ authorization_details: `[{"type":"authsec_call",${field}}]` }),
    error: 'invalid_authorization_details',
    says,
  })),
]

describe.each([
  { of: 'who presents', refusals: WHO_MAY_PRESENT },
  { of: 'what is dead', refusals: WHAT_IS_DEAD },
  { of: 'what is not ours', refusals: WHAT_IS_NOT_OURS },
  { of: 'what is of another kind', refusals: WHAT_IS_OF_ANOTHER_KIND },
  { of: 'what would widen', refusals: WHAT_WOULD_WIDEN },
  { of: 'what cannot be bound', refusals: WHAT_CANNOT_BE_BOUND },
])('an exchange is refused for $of', ({ refusals }) => {
  test.each(refusals)('$why: $error', async ({ send, error, status = 400, says }) => {
    const fields = await send()
    let reply: Awaited<ReturnType<ChainBench['send']>> | undefined
    const events = await bench.eventsOf(async () => {
      reply = await bench.send(fields)
    })
    expect(reply).toMatchObject({ status, body: { error } })
    expect(reply?.body['error_description']).toContain(says)
    expect(Object.keys(reply?.body ?? {}).sort()).toEqual([
      'authsec_audit',
      'error',
      'error_description',
      'request_id',
    ])

    expect(events).toEqual([
      expect.objectContaining({
        type: 'token.exchanged',
        outcome: 'deny',
        reason: error,
        id: reply?.body['authsec_audit'],
        request_id: reply?.body['request_id'],
        client: fields['client_id'] ?? agent(0).id,
      }),
    ])
    expect(events[0]).not.toHaveProperty('jti')
    // Neither the answer nor the log repeats a token or an argument.
    expect(`${reply?.text}${JSON.stringify(events)}`).not.toMatch(/eyJ|in_1/)
  })
})

test.each(['subject', 'actor'])('of a one-time token as %s the log tells which it was', async (role) => {
  const token = await exchange({ one_time: 'true' })
  const { jti, sub } = claimsOf(token)
  const fields =
    role === 'subject'
      ? call(token)
      : { ...(await session()), actor_token: token, actor_token_type: CALL_TOKEN }
  const [event] = await bench.eventsOf(() => bench.send(fields))
  expect(event).toMatchObject(
    role === 'subject'
      ? { outcome: 'deny', parent_jti: jti, subject: { type: 'user', id: sub } }
      : { outcome: 'deny', details: { actor_jti: jti } },
  )
})

test('of what was to be bound the log tells all but the arguments', async () => {
  const fields = { tool: 'read', one_time: 'true', scope: 'nothing:held' }
  const [event] = await bench.eventsOf(() => bench.send({ ...fields, call: '{"invoice":"in_1"}' }))
  expect(event).toMatchObject({
    outcome: 'deny',
    reason: 'invalid_scope',
    details: { tool: 'read', bind: ['tool', 'call'], one_time: true },
  })
  expect(JSON.stringify(event)).not.toContain('in_1')
  const [plain] = await bench.eventsOf(() =>
    bench.send({ tool: 'read', bind: 'tool', scope: 'nothing:held' }),
  )
  expect(plain?.details).toEqual({ tool: 'read', bind: ['tool'] })
})

describe('what is not refused', () => {
  test.each<{ why: string; send: () => Promise<Fields> }>([
    { why: 'a base token by its client', send: async () => ({}) },
    { why: 'a session by a client that the policy lets act', send: async () => session() },
    { why: 'a call token by its client', send: async () => call(await bench.chain(1)) },
    {
      why: 'a call token by the owner of its audience',
      send: async () => ({ client_id: agent(1).id, ...call(await exchange({ resource: agent(1).api })) }),
    },
    {
      why: 'a call token bound to its tool, which stays so',
      send: async () => call(await exchange({ tool: 'read', bind: 'tool' })),
    },
    {
      why: 'what asks for an access token by its type',
      send: async () => ({ requested_token_type: CALL_TOKEN }),
    },
    { why: 'a tool of 128 characters', send: async () => ({ tool: 'x'.repeat(128) }) },
    {
      why: 'an actor token of the presenter',
      send: async () => ({ ...(await session()), ...actor(bench.baseToken) }),
    },
  ])('$why', async ({ send }) => {
    expect(await bench.send(await send())).toMatchObject({ status: 200, body: { token_type: 'Bearer' } })
  })
})

function agent(index: number) {
  return bench.agents[index]!
}

function call(token: string): { subject_token: string; subject_token_type: string } {
  return { subject_token: token, subject_token_type: CALL_TOKEN }
}

function actor(token: string): Fields {
  return { actor_token: token, actor_token_type: BASE_TOKEN }
}

async function session(): Promise<{ subject_token: string; subject_token_type: string }> {
  return {
    subject_token: await bench.authority.sessions.start(bench.alice),
    subject_token_type: SESSION_TOKEN,
  }
}

async function exchange(fields: Fields): Promise<string> {
  return (await bench.exchange(bench.baseToken, fields)).access_token
}

async function as(index: number, token: string, resource: string): Promise<string> {
  return (await bench.exchangeAs(agent(index), token, CALL_TOKEN, { resource })).access_token
}

async function revokeToken(index: number, token: string): Promise<void> {
  const { status, text } = await bench.post('/oauth/revoke', { client_id: agent(index).id, token })
  if (status !== 200) throw new Error(text)
}

function mayAct(party: object): Promise<string> {
  return exchange({ may_act: JSON.stringify(party) })
}

function revoke(): Promise<void> {
  return bench.authority.delegations.revoke(agent(0).id, bench.alice, PROVENANCE)
}

async function endSession(token: string): Promise<void> {
  await bench.authority.sessions.end(await bench.authority.sessions.resume(token), PROVENANCE)
}

async function deactivate(index: number): Promise<void> {
  const client = await bench.authority.clients.find(agent(index).id)
  await bench.store.write((transaction) => transaction.clients.update({ ...client, active: false }))
}

function callKey(): SigningKey {
  return bench.authority.keyring.active.call
}

function signBase(claims: object): string {
  return signJwt(
    bench.authority.keyring.active.base,
    { typ: 'JWT' },
    { ...claimsOf(bench.baseToken), ...claims },
  ).token
}

async function signCall(claims: object, header: object = {}): Promise<string> {
  const genuine = claimsOf(await bench.chain(1))
  return signJwt(callKey(), { typ: 'at+jwt', kid: callKey().kid, ...header }, { ...genuine, ...claims }).token
}

/** The same claims under the same header, signed by a stranger. */
function forge(token: string): string {
  const [header, payload] = token.split('.')
  const { alg, ...others } = JSON.parse(Buffer.from(header!, 'base64url').toString())
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
  return signJwt({ kid: 'stranger', alg, privateKey, publicKey }, others, claims).token
}

function unsigned(token: string, header: object): string {
  const [, payload] = token.split('.')
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`
}

/** Signed with HMAC under what everybody knows (RFC 8725 §2.1). */
function confuse(token: string, { publicKey }: SigningKey, typ: string, kid?: string): string {
  const input = unsigned(token, { alg: 'HS256', typ, ...(kid && { kid }) }).slice(0, -1)
  const secret = publicKey.export({ type: 'spki', format: 'pem' })
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
