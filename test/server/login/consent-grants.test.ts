import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ALICE, BOB, type Door, openDoor } from './door.js'

const GRANTS = '/authsec/oauth/consent-grants'
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
afterAll(() => door.server.close())

/** A session of Alice that the seeded agent holds, because she has let it in. */
async function letIn(): Promise<{ person: string; held: string; id: string }> {
  door.pass(10)
  const person = await door.login(ALICE)
  const client_id = door.server.clientId
  const { body: asked } = await door.form('/oauth/device_authorization', { client_id })
  await door.post(
    '/authsec/uflow/auth/device/authorize',
    { user_code: asked.user_code, approved: true },
    person,
  )
  const { body } = await door.form('/oauth/token', {
    grant_type: DEVICE_GRANT,
    device_code: asked.device_code,
    client_id,
  })
  const { body: grants } = await door.get(GRANTS, person)
  return { person, held: body.access_token, id: grants[0].id }
}
const exchange = (token: string) =>
  door.form('/oauth/token', {
    grant_type: EXCHANGE_GRANT,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    client_id: door.server.clientId,
    resource: 'https://billing.example',
  })
const withdraw = (id: string, token: string) =>
  fetch(`${door.server.url}${GRANTS}/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
  })

describe('a consent', () => {
  test('is listed for the person who gave it, and taken back with effect at once', async () => {
    const { person, held, id } = await letIn()
    const issued = await exchange(held)
    expect(issued.status).toBe(200)
    const { body: grants } = await door.get(GRANTS, person)
    expect(grants).toEqual([
      {
        id,
        client_id: door.server.clientId,
        kind: 'device',
        permissions: expect.toSatisfy((value) => value === null || Array.isArray(value)),
        created_at: expect.any(String),
        expires_at: expect.any(String),
      },
    ])
    const reply = await withdraw(id, person)
    expect(await reply.json()).toEqual({ status: 'revoked', id })
    expect((await door.get(GRANTS, person)).body).toEqual([])
    expect(await exchange(held)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await door.events('session.ended'))[0]).toMatchObject({
      outcome: 'allow',
      jti: id,
      client: door.server.clientId,
    })
    // What had been issued from it is worth nothing any more.
    const inner = await door.form('/oauth/token', {
      grant_type: EXCHANGE_GRANT,
      subject_token: issued.body.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      client_id: door.server.clientId,
      resource: 'https://billing.example',
    })
    expect(inner).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test('is taken back by its id in whatever case it is written', async () => {
    const { person, id } = await letIn()
    expect((await withdraw(id.toUpperCase(), person)).status).toBe(200)
    expect((await door.get(GRANTS, person)).body).toEqual([])
  })

  test("is nobody else's to see or to take back", async () => {
    const { person, held, id } = await letIn()
    const bob = await door.login(BOB)
    expect((await door.get(GRANTS, bob)).body).toEqual([])
    expect((await withdraw(id, bob)).status).toBe(404)
    expect((await withdraw(id, held)).status).toBe(403)
    expect((await door.get(GRANTS, held)).status).toBe(403)
    expect((await door.get(GRANTS)).status).toBe(401)
    expect((await withdraw('nothing', person)).status).toBe(404)
    expect((await exchange(held)).status).toBe(200)
  })

  test('is not for a program that a person has let in by CIBA, which names no client', async () => {
    const { person, id } = await letIn()
    const { body: asked } = await door.post('/authsec/uflow/auth/ciba/initiate', { login_hint: ALICE })
    const { auth_req_id } = asked
    await door.post('/authsec/uflow/auth/ciba/respond', { auth_req_id, approved: true }, person)
    const { body } = await door.post('/authsec/uflow/auth/ciba/token', { auth_req_id })
    expect((await door.get(GRANTS, body.access_token)).status).toBe(403)
    expect((await withdraw(id, body.access_token)).status).toBe(403)
    expect((await door.get(GRANTS, person)).body).toContainEqual(expect.objectContaining({ id }))
  })

  test('is no session of a person', async () => {
    const person = await door.login(ALICE)
    const { jti } = JSON.parse(Buffer.from(person.split('.')[1] ?? '', 'base64url').toString())
    expect((await withdraw(jti, person)).status).toBe(404)
    expect((await door.get(GRANTS, person)).status).toBe(200)
  })
})
