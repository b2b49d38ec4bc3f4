import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { KEK } from '../support/authority-bench.js'
import { type IdentityIssuer, JOB, startIdentityIssuer } from '../support/identity-issuer.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { CLIENT_JWKS, registerClient, signAssertion } from '../support/registered-client.js'
import { type Reply, startTestServer, type TestServer } from '../support/running-server.js'

const ALICE = 'alice@authsec.test'
const PASSWORD = 'correct horse battery staple'
const ORDERS = 'https://orders.example'

const REPLAYED = {
  status: 400,
  json: { error: 'invalid_grant', error_description: expect.stringContaining('has been used before') },
}

let schema: PostgresSchema
let one: TestServer
let other: TestServer
beforeAll(async () => {
  schema = await makePostgresSchema()
  const place = {
    store: schema.url,
    allowDevPostgres: true,
    kek: KEK,
    passwords: { [ALICE]: PASSWORD },
  }
  one = await startTestServer(place)
  other = await startTestServer(place)
})
afterAll(async () => {
  await other?.close()
  await one?.close()
  await schema?.drop()
})

const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort()

/** An issuer whose jobs stand for the seeded agent. */
async function trustIssuer(): Promise<IdentityIssuer> {
  const issuer = await startIdentityIssuer(() => one.now, one.issuer)
  onTestFinished(() => issuer.close())
  const json = {
    name: randomUUID(),
    client_id: one.clientId,
    issuer: issuer.url,
    audience: one.issuer,
    subject: JOB.sub,
  }
  expect((await one.call('POST', '/admin/trust-rules', { json, admin: true })).status).toBe(201)
  return issuer
}

const presentJob = (server: TestServer, assertion: string) =>
  server.call('POST', '/oauth/token', {
    form: {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      client_id: one.clientId,
      resource: 'https://billing.example',
      assertion,
    },
  })

describe('two servers of one database', () => {
  test('let a device ask one, a person approve at the other, and the device get its session once', async () => {
    const path = '/authsec/uflow/auth'
    const { device_code, user_code } = (await one.call('POST', `${path}/device/code`, { json: {} })).json
    const json = { device_code, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' }
    const poll = (server: TestServer) => server.call('POST', `${path}/device/token`, { json })
    expect((await poll(one)).json.error).toBe('authorization_pending')
    // The pace is one for both.
    expect((await poll(other)).json.error).toBe('slow_down')

    const credentials = { email: ALICE, password: PASSWORD }
    const { token } = (await other.call('POST', `${path}/admin/login`, { json: credentials })).json
    const headers = { authorization: `Bearer ${token}` }
    const approval = { user_code, approved: true }
    const approved = await other.call('POST', `${path}/device/authorize`, { json: approval, headers })
    expect(approved.json).toEqual({ status: 'authorized' })

    expect(await poll(one)).toMatchObject({ status: 200, json: { email: ALICE } })
    expect(await poll(other)).toMatchObject({ status: 400, json: { error: 'expired_token' } })
  })

  test('never let the last two who administer resign at once', async () => {
    const email = 'erin@authsec.test'
    const json = { email, roles: ['admin'], password: PASSWORD }
    const { id: erin } = (await one.call('POST', '/admin/users', { json, admin: true })).json
    const { token } = (
      await one.call('POST', '/authsec/uflow/auth/admin/login', { json: { email, password: PASSWORD } })
    ).json
    const { json: users } = await one.call('GET', '/admin/users', { admin: true })
    const { id: admin } = users.find((user: { email: string }) => user.email === 'admin@authsec.test')
    const people = [
      { id: admin, server: one, headers: { authorization: `Bearer ${one.adminToken}` } },
      { id: erin, server: other, headers: { authorization: `Bearer ${token}` } },
    ]
    const give = (by: number, to: number, role: string) => {
      const { server, headers } = people[by] as (typeof people)[number]
      const path = `/admin/users/${people[to]?.id}`
      return server.call('PATCH', path, { headers, json: { roles: [role] } })
    }
    for (let round = 0; round < 10; round++) {
      const replies = await Promise.all([0, 1].map((person) => give(person, person, 'member')))
      expect(statusesOf(replies)).toEqual([200, 409])
      const left = replies.findIndex(({ status }) => status === 409)
      expect((await give(left, 1 - left, 'admin')).status).toBe(200)
    }
  })

  test('add nobody twice, in whatever case', async () => {
    for (let round = 0; round < 10; round++) {
      const email = `u${round}@team.example`
      const add = (server: TestServer, email: string) =>
        server.call('POST', '/admin/users', { json: { email }, admin: true })
      const replies = await Promise.all([add(one, email), add(other, email.toUpperCase())])
      expect(statusesOf(replies)).toEqual([201, 409])
    }
  })

  test('take a one-time token once between them', async () => {
    const { id, basic } = await registerClient(one)
    // Run by nobody so far.
    await one.call('DELETE', `/admin/resources/${encodeURIComponent(ORDERS)}`, { admin: true })
    const resource = { uri: ORDERS, permissions: ['orders:read'], client_id: id }
    expect((await one.call('POST', '/admin/resources', { json: resource, admin: true })).status).toBe(201)
    const consume = async (server: TestServer, token: string) =>
      server.call('POST', '/oauth/consume', { form: { token }, headers: basic })
    const issue = async () => (await one.exchange({ resource: ORDERS, one_time: 'true' })).json.access_token

    const used = await issue()
    expect((await consume(one, used)).status).toBe(200)
    expect(await consume(other, used)).toMatchObject({ status: 409, json: { error: 'replayed' } })
    const raced = await issue()
    expect(statusesOf(await Promise.all([one, other].map((server) => consume(server, raced))))).toEqual([
      200, 409,
    ])
  })

  test('take the assertion of a client once between them', async () => {
    const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: CLIENT_JWKS }
    const { id } = await registerClient(other, metadata)
    const request = (server: TestServer, assertion: string) =>
      server.call('POST', '/oauth/token', {
        form: {
          grant_type: 'client_credentials',
          resource: 'https://billing.example',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        },
      })

    const used = await signAssertion(one, id)
    expect((await request(one, used)).status).toBe(200)
    expect(await request(other, used)).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    const raced = await signAssertion(one, id)
    expect(statusesOf(await Promise.all([one, other].map((server) => request(server, raced))))).toEqual([
      200, 401,
    ])
  })

  test('take the identity token of a job once between them', async () => {
    const issuer = await trustIssuer()
    const used = issuer.sign()
    expect((await presentJob(one, used)).status).toBe(200)
    expect(await presentJob(other, used)).toMatchObject(REPLAYED)
    const raced = issuer.sign()
    expect(statusesOf(await Promise.all([one, other].map((server) => presentJob(server, raced))))).toEqual([
      200, 400,
    ])
  })

  test('remember what is used for a server whose clock is behind, or is set back', async () => {
    const issuer = await trustIssuer()
    const used = issuer.sign({ exp: Math.floor(one.now / 1000) + 10 })
    expect((await presentJob(one, used)).status).toBe(200)
    // Where the token has expired, another one comes; elsewhere it is alive.
    one.now += 40_000
    expect((await presentJob(one, issuer.sign())).status).toBe(200)
    expect(await presentJob(other, used)).toMatchObject(REPLAYED)
    one.now -= 40_000
    expect(await presentJob(one, used)).toMatchObject(REPLAYED)
  })
})
