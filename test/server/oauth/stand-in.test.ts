import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BILLING, exchangeForm } from '../../support/running-server.js'
import { ADMIN, ALICE, BOB, type Door, openDoor } from '../login/door.js'

let door: Door
let base: string
beforeAll(async () => {
  door = await openDoor()
  const pulled = await door.get(`/uflow/sdk/delegation-token?client_id=${door.server.clientId}`)
  base = pulled.body.token
})
afterAll(() => door.server.close())

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const exchange = (token: string, fields: Record<string, string> = {}) =>
  door.form(
    '/oauth/token',
    { ...exchangeForm(door.server.clientId), subject_token: base, ...fields },
    bearer(token),
  )
/** Registers a client; says what it is called. */
const register = async (json: object) => (await door.post('/oauth/register', json)).body

describe('the session of a person in the place of a client', () => {
  test.each([{ who: ADMIN }, { who: ALICE }])('of $who gets what the client would', async ({ who }) => {
    const session = await door.login(who)
    const { status, body } = await exchange(session, { scope: 'billing:read' })
    expect(status).toBe(200)
    const { client_id, sub, act } = decodeJwt<{ client_id: string; act: object }>(body.access_token)
    expect({ client_id, act }).toMatchObject({
      client_id: door.server.clientId,
      act: { client_id: door.server.clientId },
    })
    // The log says who asked, and by which session.
    const { sub: person, jti } = decodeJwt(session)
    expect(await door.events('token.exchanged')).toMatchObject([
      {
        outcome: 'allow',
        id: body.authsec_audit,
        actor: { type: 'user', id: person },
        subject: { type: 'user', id: sub },
        client: door.server.clientId,
        details: { session: jti },
      },
    ])
  })

  test('stands for a client that has a proof of its own, too', async () => {
    const admin = await door.login(ADMIN)
    const agent = await register({ client_kind: 'agent', agent_type: 'langchain' })
    const grant = { agent_type: 'langchain', audience: ['authsec-api'] }
    const path = `/uflow/admin/agents/${agent.client_id}/delegate-token`
    const policy = { role_name: 'admin', agent_type: 'langchain', allowed_permissions: ['billing:read'] }
    await door.post('/uflow/delegation-policies', { ...policy, resources: [BILLING] }, admin)
    const { body } = await door.post(path, grant, admin)
    const fields = { client_id: agent.client_id, subject_token: body.token }
    expect(await exchange(admin, fields)).toMatchObject({ status: 200 })
  })

  test('changes nothing of what may be had', async () => {
    const admin = await door.login(ADMIN)
    for (const [fields, error] of [
      [{ scope: 'admin:access' }, 'invalid_scope'],
      [{ resource: 'https://evil.example' }, 'invalid_target'],
      [{ subject_token: 'nonsense' }, 'invalid_request'],
    ] as const) {
      expect(await exchange(admin, fields)).toMatchObject({ status: 400, body: { error } })
    }
    const other = await register({ client_kind: 'agent', agent_type: 'langchain' })
    expect(await exchange(admin, { client_id: other.client_id })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
  })

  test('is refused of anybody else, and the refusal says of whom', async () => {
    const bob = await door.login(BOB)
    expect(await exchange(bob)).toMatchObject({ status: 400, body: { error: 'access_denied' } })
    const { sub, jti } = decodeJwt(bob)
    expect(await door.events('token.exchanged')).toMatchObject([
      {
        outcome: 'deny',
        reason: 'access_denied',
        actor: { type: 'user', id: sub },
        details: { session: jti },
      },
    ])
  })

  test('is refused of a program that the user has let in, unless it is the client', async () => {
    const letIn = async (client_id: string) => {
      const { body } = await door.form('/oauth/bc-authorize', { client_id, login_hint: ALICE })
      await door.post(
        '/uflow/auth/ciba/respond',
        { auth_req_id: body.auth_req_id, approved: true },
        await door.login(ALICE),
      )
      const grant_type = 'urn:openid:params:grant-type:ciba'
      const polled = await door.form('/oauth/token', {
        grant_type,
        client_id,
        auth_req_id: body.auth_req_id,
      })
      return polled.body.access_token
    }
    const program = await register({ token_endpoint_auth_method: 'none' })
    expect(await exchange(await letIn(program.client_id))).toMatchObject({
      status: 400,
      body: { error: 'access_denied' },
    })
    expect(await exchange(await letIn(door.server.clientId))).toMatchObject({ status: 200 })
    expect(await door.events('token.exchanged')).toMatchObject([
      { outcome: 'allow', actor: { type: 'client', id: door.server.clientId } },
    ])
  })

  test.each([
    { why: 'is not alive', token: async () => 'x', fields: {}, status: 401, error: 'invalid_token' },
    {
      why: 'comes beside a secret',
      token: () => door.login(ADMIN),
      fields: { client_secret: 'x' },
      status: 400,
      error: 'invalid_request',
    },
    {
      why: 'names no client',
      token: () => door.login(ADMIN),
      fields: { client_id: '' },
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'names a client that is not there',
      token: () => door.login(ADMIN),
      fields: { client_id: '00000000-0000-4000-8000-000000000000' },
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'asks by another grant',
      token: () => door.login(ADMIN),
      fields: { grant_type: 'client_credentials' },
      status: 401,
      error: 'invalid_client',
    },
  ])('is refused where it $why', async ({ token, fields, status, error }) => {
    expect(await exchange(await token(), fields as Record<string, string>)).toMatchObject({
      status,
      body: { error },
    })
  })

  test('is refused for a client that has not registered for the exchange', async () => {
    const client = await register({ grant_types: ['client_credentials'], scope: 'billing:read' })
    expect(await exchange(await door.login(ADMIN), { client_id: client.client_id })).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    })
  })

  test('that has ended gets nothing', async () => {
    const admin = await door.login(ADMIN)
    await door.post('/authsec/auth/logout', {}, admin)
    expect(await exchange(admin, { resource: BILLING })).toMatchObject({ status: 401 })
  })
})
