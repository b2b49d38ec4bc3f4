import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/index.js'

let server: RunningServer

beforeAll(async () => {
  server = await startServer({ state: ':memory:', port: 0 })
})
afterAll(() => server.close())

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the tests look closer.
const read = async (response: Response): Promise<any> => response.json()

const pull = async () =>
  read(await fetch(`${server.url}/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`))

function exchange(fields: Record<string, string>): Promise<Response> {
  return fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: server.clientId,
      ...fields,
    }),
  })
}

function admin(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    ...init,
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      ...(init.body !== undefined && { 'content-type': 'application/json' }),
    },
  })
}

describe('from a base token to a call token', () => {
  test('the seeded agent gets a token for one API, and the log says so', async () => {
    const { token } = await pull()
    const response = await exchange({ subject_token: token, resource: 'https://billing.example' })
    const body = await read(response)
    expect(response.status).toBe(200)
    expect(decodeJwt(body.access_token)).toMatchObject({
      iss: server.issuer,
      sub: server.user.id,
      aud: 'https://billing.example',
      scope: 'billing:read',
      permissions: ['billing:read'],
      client_id: server.clientId,
      authsec_audit: body.authsec_audit,
    })

    const { events } = await read(await admin('/audit/events?filter=type=token.exchanged&last=1'))
    expect(events[0].event).toMatchObject({
      id: body.authsec_audit,
      outcome: 'allow',
      client: server.clientId,
      aud: ['https://billing.example'],
      permissions: { granted: ['billing:read'] },
    })
  })

  test.each([
    { why: 'permission', fields: { scope: 'billing:refund' }, error: 'invalid_scope' },
    { why: 'resource', fields: { resource: 'https://other.example' }, error: 'invalid_target' },
    { why: 'lifetime', fields: { ttl_seconds: '301' }, error: 'invalid_request' },
    { why: 'lifetime in words', fields: { ttl_seconds: '1e1' }, error: 'invalid_request' },
    { why: 'actor token', fields: { actor_token: 'x' }, error: 'invalid_request' },
    { why: 'subject token type', fields: { subject_token_type: 'x' }, error: 'invalid_request' },
    { why: 'grant type', fields: { grant_type: 'password' }, error: 'unsupported_grant_type' },
  ])('refuses a foreign $why and records it', async ({ fields, error }) => {
    const { token } = await pull()
    const response = await exchange({
      subject_token: token,
      resource: 'https://billing.example',
      ...(fields as Record<string, string>),
    })
    const body = await read(response)
    expect(response.status).toBe(400)
    expect(body.error).toBe(error)
    expect(JSON.stringify(body)).not.toContain(token)

    const { events } = await read(await admin('/audit/events?filter=outcome=deny&last=1'))
    expect(events[0].event).toMatchObject({ id: body.authsec_audit, reason: error })
  })
})
