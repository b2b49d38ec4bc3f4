import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestSeed } from '../../../src/testing/test-seed.js'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

// What an API may well have: each is short enough, all of them are too many for one token.
const MANY = Array.from({ length: 60 }, (_, index) => `billing:${String(index).padStart(55, 'x')}`)

let server: TestServer
beforeAll(async () => {
  const seed = createTestSeed({
    users: { alice: MANY },
    agents: { agent: 'alice' },
    policies: [{ permissions: MANY, resources: [BILLING] }],
  })
  server = await startTestServer({
    seed: {
      ...seed,
      // The admin delegates too, and wherever she likes.
      users: seed.users.map((user) => ({ ...user, roles: [...new Set([...user.roles, 'alice'])] })),
      policies: seed.policies.map((policy) => ({ ...policy, resources: ['*'] })),
    },
  })
})
afterAll(() => server.close())

const introspect = async (token: string) =>
  (await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })).json.active

describe('a call token that nobody could read', () => {
  test('is not issued: the answer says how long it would be and what to ask less of', async () => {
    expect(await server.exchange()).toMatchObject({
      status: 400,
      json: {
        error: 'invalid_scope',
        error_description: expect.stringMatching(
          /would have \d{5} characters, more than 8192. Ask for fewer/,
        ),
      },
    })
    const denied = '/audit/events?filter=type=token.exchanged&last=1'
    expect((await server.call('GET', denied, { admin: true })).json.events[0].event).toMatchObject({
      outcome: 'deny',
      reason: 'invalid_scope',
    })
  })

  test('is issued for less, and then introspection and revocation reach it', async () => {
    const reply = await server.exchange({ scope: MANY.slice(0, 30).join(' ') })
    expect(reply.status).toBe(200)
    const { access_token: token } = reply.json
    expect(await introspect(token)).toBe(true)
    const revoked = await server.call('POST', '/oauth/revoke', { admin: true, form: { token } })
    expect(revoked.status).toBe(200)
    expect(await introspect(token)).toBe(false)
  })
})

describe('a delegation', () => {
  const grant = (audience: string[]) =>
    server.call('POST', `/uflow/admin/agents/${server.clientId}/delegate-token`, {
      admin: true,
      json: { agent_type: 'agent', audience },
    })
  const addresses = (count: number, length: number) =>
    Array.from({ length: count }, (_, index) => `https://${String(index).padStart(length, 'a')}.example`)

  test.each([
    {
      what: 'whose audience makes it unreadable',
      audience: addresses(60, 80),
      error: /would have \d+ characters, more than 8192/,
      details: 'Name fewer audiences, or shorter ones.',
    },
    { what: 'to more APIs than there are', audience: addresses(101, 3), error: /more than 100 entries/ },
    { what: 'to an API without a name', audience: [BILLING, ''], error: /"" is not the URI of an API/ },
    { what: 'to a space', audience: [BILLING, ' '], error: /" " is not the URI/ },
    { what: 'to a line break', audience: [BILLING, '\n'], error: /is not the URI of an API/ },
    { what: 'to an endless name', audience: addresses(1, 1_020), error: /is not the URI of an API/ },
  ])('$what is refused, and the former stays', async ({ audience, error, details }) => {
    const former = await server.pull()
    const reply = await grant(audience)
    expect(reply).toMatchObject({ status: 400, json: { error: expect.stringMatching(error) } })
    if (details !== undefined) expect(reply.json.details).toBe(details)
    expect(await server.pull()).toBe(former)
  })
})
