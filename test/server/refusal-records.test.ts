import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN, ALICE, type Door, openDoor } from './login/door.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const POLICIES = '/authsec/uflow/delegation-policies'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
afterAll(() => door.server.close())

/** Calls with the session of a user; says who that is and what the last record of a type tells. */
async function refused(email: string, method: string, path: string, type: string, json?: object) {
  const token = await door.login(email)
  const { status } = await fetch(`${door.server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(json && { body: JSON.stringify(json) }),
  })
  const { user_id: id } = decodeJwt<{ user_id: string }>(token)
  const [event] = await door.events(type)
  return { status, id, event }
}

describe('the record of what is refused before the authority is asked', () => {
  test.each([
    ['GET', '/audit/events', 'audit.read'],
    ['DELETE', `${POLICIES}/${STRANGER}`, 'policy.deleted'],
    ['GET', `/authsec/clientms/tenants/${STRANGER}/clients/getClients`, 'client.read'],
  ])('tells who lacks the permission: %s %s', async (method, path, type) => {
    const { status, id, event } = await refused(ALICE, method, path, type)
    expect(status).toBe(403)
    expect(event).toMatchObject({ outcome: 'deny', reason: 'access_denied', actor: { type: 'user', id } })
  })

  test('tells who sent what cannot be read', async () => {
    const { status, id, event } = await refused(ADMIN, 'POST', POLICIES, 'policy.created', { role_name: 7 })
    expect(status).toBe(400)
    expect(event).toMatchObject({ outcome: 'deny', actor: { type: 'user', id } })
  })

  test('names nobody where nobody is known', async () => {
    expect(await door.get('/audit/events', 'x.y.z')).toMatchObject({ status: 401 })
    expect((await door.events('audit.read'))[0]).not.toHaveProperty('actor')
  })
})

test.each([
  ['PUT', 'policy.updated'],
  ['DELETE', 'policy.deleted'],
])('a %s of a policy that is not there is recorded with its id', async (method, type) => {
  const json = method === 'PUT' ? { enabled: false } : undefined
  const { status, event } = await refused(ADMIN, method, `${POLICIES}/${STRANGER}`, type, json)
  expect(status).toBe(404)
  expect(event).toMatchObject({ outcome: 'deny', reason: 'not_found', policy: STRANGER })
})
