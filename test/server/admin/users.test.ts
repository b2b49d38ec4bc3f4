import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../support/run-cli.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const ADMIN = 'admin@authsec.test'
const BOB = 'bob@authsec.test'
const PASSWORD = 'correct horse battery'
const OTHER = 'another horse battery'
const UNKNOWN = '00000000-0000-4000-8000-000000000000'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ passwords: { [ADMIN]: PASSWORD, [BOB]: PASSWORD } })
})
afterAll(() => server.close())

const admin = (method: string, path: string, json?: object) =>
  server.call(method, path, { admin: true, ...(json !== undefined && { json }) })

async function lastEvent(type: string) {
  const { json } = await admin('GET', `/audit/events?last=1&filter=${encodeURIComponent(`type=${type}`)}`)
  return json.events[0]?.event
}

async function idOf(email: string): Promise<string> {
  const { json } = await admin('GET', '/admin/users')
  return json.find((user: { email: string }) => user.email === email).id
}

const update = async (email: string, patch: object) =>
  admin('PATCH', `/admin/users/${await idOf(email)}`, patch)

const login = (email: string, password = PASSWORD) =>
  server.call('POST', '/uflow/auth/admin/login', { json: { email, password } })

const isAlive = async (token: string) =>
  (await server.call('POST', '/authmgr/token/verify', { json: { token } })).json.valid === true

describe('a user', () => {
  test('is added with roles and a password, and logs in', async () => {
    const email = 'carol@authsec.test'
    const { status, json } = await admin('POST', '/admin/users', {
      email,
      roles: ['member', 'member'],
      password: PASSWORD,
    })
    expect({ status, json }).toEqual({
      status: 201,
      json: {
        id: expect.stringMatching(UUID),
        email,
        roles: ['member'],
        active: true,
        has_password: true,
        created_at: expect.stringMatching(/^2026-11-24T09:00:/),
      },
    })
    expect((await login(email)).status).toBe(200)
    const event = await lastEvent('user.created')
    expect(event).toMatchObject({
      outcome: 'allow',
      actor: { type: 'user', id: await idOf(ADMIN) },
      subject: { type: 'user', id: json.id },
      details: { roles: ['member'], password_set: true },
    })
    expect(JSON.stringify(event)).not.toMatch(/carol|horse/)
  })

  test('without a password does not log in until one is set', async () => {
    const email = 'dave@authsec.test'
    const { json } = await admin('POST', '/admin/users', { email })
    expect(json).toMatchObject({ roles: [], has_password: false })
    expect((await login(email)).status).toBe(401)
    expect((await update(email, { password: PASSWORD })).json).toMatchObject({ has_password: true })
    expect((await login(email)).status).toBe(200)
  })

  test.each([
    { why: 'an address that is none', body: { email: 'nobody' }, status: 400, says: /e-mail address/ },
    { why: 'no address', body: {}, status: 400, says: /email is required/ },
    { why: 'the address of another one', body: { email: BOB }, status: 409, says: /exists already/ },
    { why: 'the same in capitals', body: { email: BOB.toUpperCase() }, status: 409, says: /exists already/ },
    { why: 'a role that nobody made', body: { roles: ['boss'] }, status: 400, says: /no role .*boss/ },
    {
      why: 'a password that is no text',
      body: { password: { a: 'short' } },
      status: 400,
      says: /is not a string/,
    },
    { why: 'a short password', body: { password: 'short' }, status: 400, says: /10 to 1024 characters/ },
  ])('is refused $why, and is not there', async ({ body, status, says }) => {
    const before = (await admin('GET', '/admin/users')).json.length
    const asked = Object.hasOwn(body, 'roles') || Object.hasOwn(body, 'password') ? { email: 'x@y' } : {}
    const answer = await admin('POST', '/admin/users', { ...asked, ...body })
    expect(answer.status).toBe(status)
    expect(answer.text).toMatch(says)
    expect(answer.text).not.toContain('"short')
    expect((await admin('GET', '/admin/users')).json).toHaveLength(before)
    if (Object.hasOwn(body, 'email')) {
      expect(await lastEvent('user.created')).toMatchObject({ outcome: 'deny' })
    }
  })

  test('who is not active neither keeps a session nor logs in nor is acted for', async () => {
    const bob = (await login(BOB)).json.token
    const base = await server.pull()
    const { status, json } = await update('alice@authsec.test', { active: false })
    expect({ status, json }).toMatchObject({ status: 200, json: { active: false, roles: ['member'] } })
    expect((await server.exchange({ subject_token: base })).json.error).toBe('invalid_grant')
    await update('alice@authsec.test', { active: true })
    expect((await server.exchange({ subject_token: base })).status).toBe(200)

    await update(BOB, { active: false })
    expect(await lastEvent('user.updated')).toMatchObject({
      outcome: 'allow',
      subject: { type: 'user', id: await idOf(BOB) },
      details: { active: false },
    })
    expect(await isAlive(bob)).toBe(false)
    expect((await login(BOB)).status).toBe(401)
    await update(BOB, { active: true })
    expect(await isAlive(bob)).toBe(false)
    expect((await login(BOB)).status).toBe(200)
  })

  test('who is not active any more lets in no program, whatever they have said before', async () => {
    const path = '/uflow/auth/device'
    const { json } = await server.call('POST', `${path}/code`, { json: {} })
    const headers = { authorization: `Bearer ${(await login(BOB)).json.token}` }
    const answer = { user_code: json.user_code, approved: true }
    await server.call('POST', `${path}/authorize`, { headers, json: answer })
    await update(BOB, { active: false })
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    const polled = await server.call('POST', `${path}/token`, {
      json: { grant_type, device_code: json.device_code },
    })
    expect(polled).toMatchObject({ status: 403, json: { error: 'access_denied' } })
    await update(BOB, { active: true })
  })

  test('who has lost the role of a policy is acted for no longer', async () => {
    const base = await server.pull()
    await update('alice@authsec.test', { roles: [] })
    expect((await server.exchange({ subject_token: base })).json.error).toBe('invalid_grant')
    await update('alice@authsec.test', { roles: ['member'] })
    expect((await server.exchange({ subject_token: base })).status).toBe(200)
  })

  test('with another password has no session of the former one, and is locked out no more', async () => {
    const { token } = (await login(BOB)).json
    for (const _ of [1, 2, 3]) await login(BOB, 'wrong password')
    expect((await login(BOB)).status).toBe(401)
    await update(BOB, { password: OTHER })
    expect(await isAlive(token)).toBe(false)
    expect((await login(BOB, PASSWORD)).status).toBe(401)
    expect((await login(BOB, OTHER)).status).toBe(200)
  })

  test('who sets their own keeps the session in which they do', async () => {
    const [own, other] = [(await login(ADMIN)).json.token, (await login(ADMIN)).json.token]
    const headers = { authorization: `Bearer ${own}` }
    const json = { password: OTHER }
    expect((await server.call('PATCH', `/admin/users/${await idOf(ADMIN)}`, { headers, json })).status).toBe(
      200,
    )
    expect([await isAlive(own), await isAlive(other)]).toEqual([true, false])
    // Nobody has logged in to the session of the server's run.
    expect((await admin('GET', '/admin/users')).status).toBe(200)
  })

  test.each([{ patch: { active: false } }, { patch: { roles: ['member'] } }])(
    'who is the last to administer stays so: $patch',
    async ({ patch }) => {
      const answer = await update(ADMIN, patch)
      expect(answer.status).toBe(409)
      expect(answer.text).toMatch(/nobody would be left/)
      expect(await lastEvent('user.updated')).toMatchObject({
        outcome: 'deny',
        reason: 'conflict',
        subject: { type: 'user', id: await idOf(ADMIN) },
      })
      expect((await admin('GET', '/admin/users')).json).toContainEqual(
        expect.objectContaining({ email: ADMIN, active: true, roles: ['admin'] }),
      )
    },
  )

  test('may take the place of the last to administer, once there is a password', async () => {
    const email = 'erin@authsec.test'
    await admin('POST', '/admin/users', { email, roles: ['admin'] })
    expect((await update(ADMIN, { roles: ['member'] })).status).toBe(409)
    await update(email, { password: PASSWORD })
    const headers = { authorization: `Bearer ${(await login(email)).json.token}` }
    const relieve = async (roles: string[]) =>
      (await server.call('PATCH', `/admin/users/${id}`, { headers, json: { roles } })).status
    const id = await idOf(ADMIN)
    expect(await relieve(['member'])).toBe(200)
    expect((await admin('GET', '/admin/users')).status).toBe(403)
    expect(await relieve(['admin'])).toBe(200)
  })

  test.each([UNKNOWN, BOB])('that is none is not changed: %s', async (id) => {
    expect(await admin('PATCH', `/admin/users/${id}`, { active: false })).toMatchObject({ status: 404 })
    const event = await lastEvent('user.updated')
    expect(event).toMatchObject({ outcome: 'deny', reason: 'not_found' })
    // An address is personal data, wherever it stands.
    expect(JSON.stringify(event)).not.toContain('@')
  })
})

describe('a role', () => {
  test('is made of permissions, which can be changed', async () => {
    const role = { name: 'shipper', permissions: ['shipping:read', 'orders:read', 'orders:read'] }
    expect(await admin('POST', '/admin/roles', role)).toMatchObject({
      status: 201,
      json: { name: 'shipper', permissions: ['orders:read', 'shipping:read'] },
    })
    expect(await lastEvent('role.created')).toMatchObject({
      outcome: 'allow',
      details: { name: 'shipper' },
      permissions: { granted: ['orders:read', 'shipping:read'] },
    })
    const path = '/admin/roles/shipper'
    expect(await admin('PATCH', path, { permissions: [] })).toMatchObject({ status: 200 })
    expect(await lastEvent('role.updated')).toMatchObject({ permissions: { granted: [] } })
    expect((await admin('GET', '/admin/roles')).json).toContainEqual({ name: 'shipper', permissions: [] })
  })

  test('decides what may be asked for under a delegation from the next exchange on', async () => {
    const { json: roles } = await admin('GET', '/admin/roles')
    const { permissions } = roles.find(({ name }: { name: string }) => name === 'member')
    const base = await server.pull()
    await admin('PATCH', '/admin/roles/member', { permissions: ['orders:read'] })
    expect((await server.exchange({ subject_token: base })).json.error).toBe('invalid_scope')
    await admin('PATCH', '/admin/roles/member', { permissions })
    expect((await server.exchange({ subject_token: base })).status).toBe(200)
  })

  test.each([
    { why: 'the name of another one', body: { name: 'member', permissions: [] }, status: 409 },
    { why: 'no name', body: { permissions: [] }, status: 400 },
    { why: 'a name that cannot be seen', body: { name: 'a\u200bb', permissions: [] }, status: 400 },
    { why: 'what is no permission', body: { name: 'x', permissions: ['read'] }, status: 400 },
  ])('is refused $why', async ({ body, status }) => {
    expect((await admin('POST', '/admin/roles', body)).status).toBe(status)
  })

  test.each([
    { why: 'of a name that nobody made', name: 'boss', body: { permissions: [] }, status: 404 },
    { why: 'without its permissions', name: 'member', body: {}, status: 400 },
    { why: 'by which alone somebody administers', name: 'admin', body: { permissions: [] }, status: 409 },
  ])('is not changed $why', async ({ name, body, status }) => {
    const before = (await admin('GET', '/admin/roles')).json
    expect((await admin('PATCH', `/admin/roles/${name}`, body)).status).toBe(status)
    expect((await admin('GET', '/admin/roles')).json).toEqual(before)
  })
})

test('a dev server starts when the one whom its seed names administers no more, nor is active', async () => {
  const state = await makeDirectory()
  const start = () => startTestServer({ state, passwords: { [BOB]: PASSWORD } })
  const first = await start()
  const call = (method: string, path: string, json?: object) =>
    first.call(method, path, { admin: true, ...(json && { json }) })
  const users: { id: string; email: string }[] = (await call('GET', '/admin/users')).json
  const find = (email: string) => users.find((user) => user.email === email)?.id
  await call('PATCH', `/admin/users/${find(BOB)}`, { roles: ['admin'] })
  await call('PATCH', `/admin/users/${find('alice@authsec.test')}`, { active: false })
  expect((await call('PATCH', `/admin/users/${find(ADMIN)}`, { active: false })).status).toBe(200)
  await first.close()

  const second = await start()
  const session = await second.call('GET', '/admin/users', { admin: true })
  expect(session.status).toBe(200)
  await second.close()
})
