import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type RegisteredClient,
  registerClient,
  requestOwnToken,
  signAssertion,
} from '../../support/registered-client.js'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

let server: TestServer
let asker: RegisteredClient
beforeAll(async () => {
  server = await startTestServer()
  asker = await registerClient(server)
  const policy = { role_name: 'admin', agent_type: 'langchain', allowed_permissions: ['billing:read'] }
  await server.call('POST', '/authsec/uflow/delegation-policies', {
    json: { ...policy, resources: [BILLING] },
    admin: true,
  })
})
afterAll(() => server.close())

const ask = (token: string, headers: Record<string, string> = asker.basic) =>
  server.call('POST', '/oauth/introspect', { form: { token }, headers })
const askAsAdmin = (token: string) =>
  server.call('POST', '/oauth/introspect', { form: { token }, admin: true })
const agent = (path: string) => `/authsec/uflow/admin/agents/${server.clientId}/${path}`
/** The admin delegates, by a policy of the admin's own role. */
async function delegate(): Promise<void> {
  const json = { agent_type: 'langchain', audience: ['authsec-api'] }
  expect((await server.call('POST', agent('delegate-token'), { json, admin: true })).status).toBe(200)
}
const revoke = (form: Record<string, string>, headers: Record<string, string> = {}) =>
  server.call('POST', '/oauth/revoke', { form, headers })

describe('introspection', () => {
  test('is refused to a client that was deactivated, whatever it proves', async () => {
    const former = await registerClient(server)
    const token = await server.pull()
    expect((await ask(token, former.basic)).status).toBe(200)
    const client = `/authsec/clientms/tenants/${server.tenantId}/clients/${former.id}`
    expect((await server.call('PATCH', `${client}/deactivate`, { admin: true })).status).toBe(200)
    expect(await ask(token, former.basic)).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })

  test.each([
    { why: 'nobody', form: {}, headers: {} },
    { why: 'a client that proves nothing', form: { client_id: 'agent' }, headers: {} },
    { why: 'a session that is none', form: {}, headers: { authorization: 'Bearer x' } },
  ])('is refused to $why', async ({ form, headers }) => {
    const asked = 'client_id' in form ? { client_id: server.clientId } : {}
    const reply = await server.call('POST', '/oauth/introspect', {
      form: { token: await server.pull(), ...asked },
      headers: headers as Record<string, string>,
    })
    expect(reply.status).toBe(401)
    expect(reply.json.error).toMatch(/^invalid_(?:client|token)$/)
  })

  test('says of a session that is none that it is invalid', async () => {
    const reply = await ask('x', { authorization: 'Bearer x' })
    expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
    expect(reply.headers['www-authenticate']).toBe('Bearer error="invalid_token"')
  })

  test('is refused without a token', async () => {
    const reply = await server.call('POST', '/oauth/introspect', { form: {}, headers: asker.basic })
    expect(reply).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  })

  test.each([
    { why: 'what is no token', token: async () => 'x' },
    {
      why: 'a forged one',
      token: async () => `${(await server.exchange()).json.access_token.slice(0, -8)}AAAAAAAA`,
    },
    { why: 'the base token of another client', token: () => server.pull() },
    { why: 'the session of a person', token: async () => server.adminToken },
  ])('tells nothing but that it is not active of $why', async ({ token }) => {
    const reply = await ask(await token())
    expect(reply).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } })
    expect(reply.text).toBe('{"active":false}')
  })

  test('tells what a call token says', async () => {
    const { access_token: token } = (await server.exchange({ tool: 'get_bill' })).json
    const { json } = await ask(token)
    expect(json).toEqual({ active: true, token_type: 'Bearer', ...decodeJwt(token) })
    expect(
      (await server.call('GET', '/audit/events?filter=type=token.introspected&last=1', { admin: true })).json
        .events[0].event,
    ).toMatchObject({
      actor: { type: 'client', id: asker.id },
      jti: json.jti,
      outcome: 'allow',
      details: { active: true },
    })
  })

  test('tells an admin what a base token and a session are worth', async () => {
    expect((await askAsAdmin(await server.pull())).json).toMatchObject({
      active: true,
      token_type: 'N_A',
      user_id: server.user.id,
      scope: 'billing:read orders:read profile:read',
    })
    expect((await askAsAdmin(server.adminToken)).json).toMatchObject({ active: true, token_type: 'Bearer' })
  })

  test('tells of the tokens of an API that somebody runs to whoever runs it, and to their holder', async () => {
    const owner = await registerClient(server)
    const uri = 'https://owned.example'
    const json = { uri, permissions: ['billing:read'], client_id: owner.id }
    expect((await server.call('POST', '/admin/resources', { json, admin: true })).status).toBe(201)
    const holder = await registerClient(server)
    const { access_token: token } = (await requestOwnToken(server, holder, { resource: uri })).json
    expect((await ask(token, owner.basic)).json.active).toBe(true)
    expect((await ask(token, holder.basic)).json.active).toBe(true)
    expect((await ask(token)).text).toBe('{"active":false}')
  })

  test('calls a token inactive when it has expired', async () => {
    const { access_token: token } = (await requestOwnToken(server, asker, { ttl_seconds: '10' })).json
    server.now += 10_000
    expect((await ask(token)).text).toBe('{"active":false}')
  })
})

// RFC 6749 §2.3: one method, whoever asks.
describe.each(['/oauth/introspect', '/oauth/revoke'])('%s', (path) => {
  test.each([
    { other: 'a secret', fields: () => ({ client_id: asker.id, client_secret: asker.secret }) },
    {
      other: 'an assertion',
      fields: async () => ({
        client_assertion: await signAssertion(server, asker.id),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
    },
  ])('refuses the session of an admin beside $other', async ({ fields }) => {
    const { access_token: token } = (await server.exchange()).json
    const reply = await server.call('POST', path, { form: { token, ...(await fields()) }, admin: true })
    expect(reply).toMatchObject({
      status: 400,
      json: { error: 'invalid_request', error_description: expect.stringContaining('more than one way') },
    })
    expect((await ask(token)).json.active).toBe(true)
  })
})

describe('revocation', () => {
  test('is refused to nobody, and without a token', async () => {
    expect(await revoke({ token: 'x' })).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(await revoke({}, asker.basic)).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  })

  test('succeeds for what is no token, so that a probe learns nothing', async () => {
    expect(await revoke({ token: 'x', token_type_hint: 'nonsense' }, asker.basic)).toMatchObject({
      status: 200,
      text: '',
    })
  })

  test('is refused for the token of another client, which lives on', async () => {
    const { access_token: token } = (await server.exchange()).json
    expect(await revoke({ token }, asker.basic)).toMatchObject({
      status: 400,
      json: { error: 'unauthorized_client' },
    })
    expect((await ask(token)).json.active).toBe(true)
  })

  test('of a call token reaches it and nothing else', async () => {
    const [one, other] = await Promise.all([server.exchange(), server.exchange()])
    expect((await revoke({ token: one.json.access_token, client_id: server.clientId })).status).toBe(200)
    expect((await ask(one.json.access_token)).text).toBe('{"active":false}')
    expect((await ask(other.json.access_token)).json.active).toBe(true)
    const subject = {
      subject_token: one.json.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }
    expect(await server.exchange(subject)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
  })

  test('of the base token makes every child inactive', async () => {
    const base = await server.pull()
    const { access_token: child } = (await server.exchange({ subject_token: base })).json
    expect((await ask(child)).json.active).toBe(true)
    expect((await revoke({ token: base, client_id: server.clientId })).status).toBe(200)
    expect((await ask(child)).text).toBe('{"active":false}')
    expect((await askAsAdmin(base)).text).toBe('{"active":false}')
    expect(await server.exchange({ subject_token: base })).toMatchObject({ json: { error: 'invalid_grant' } })
  })

  test('of the delegation by an admin, or a newer one in its place, does so too', async () => {
    await delegate()
    const { access_token: first } = (await server.exchange({ resource: BILLING })).json
    expect((await ask(first)).json.active).toBe(true)
    await delegate()
    expect((await ask(first)).text).toBe('{"active":false}')

    const { access_token: second } = (await server.exchange({ resource: BILLING })).json
    expect((await server.call('POST', agent('revoke-token'), { json: {}, admin: true })).status).toBe(200)
    expect((await ask(second)).text).toBe('{"active":false}')
  })

  test('of the client does so too', async () => {
    await delegate()
    const { access_token: token } = (await server.exchange({ resource: BILLING })).json
    expect((await ask(token)).json.active).toBe(true)
    const clients = `/authsec/clientms/tenants/${server.tenantId}/clients/${server.clientId}`
    expect((await server.call('PATCH', `${clients}/deactivate`, { admin: true })).status).toBe(200)
    expect((await ask(token)).text).toBe('{"active":false}')
  })
})
