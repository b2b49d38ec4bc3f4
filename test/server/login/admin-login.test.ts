import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN, ALICE, type Door, openDoor } from './door.js'

const LOGIN = '/authsec/uflow/auth/admin/login'
const VERIFY = '/authsec/authmgr/token/verify'

let door: Door
beforeEach(async () => {
  door = await openDoor()
})
afterEach(() => door.server.close())

const wrongLogin = () => door.post(LOGIN, { email: ADMIN, password: 'not the password' })
const swapCase = (text: string) =>
  text.replace(/[a-z]/gi, (letter) => (/[a-z]/.test(letter) ? letter.toUpperCase() : letter.toLowerCase()))
const rightLogin = () => door.post(LOGIN, { email: ADMIN, password: door.passwords[ADMIN] })

describe('a login is refused', () => {
  test.each([
    { why: 'a wrong password', fields: { password: 'correct horse battery' } },
    { why: 'a password cut short', change: (password: string) => password.slice(0, -1) },
    { why: 'a password in the wrong case', change: swapCase },
    { why: 'nobody of that address', fields: { email: 'mallory@authsec.test' } },
    { why: 'a challenge that nobody gave out', fields: { challenge: 'abc.9999999999999.abc' } },
    { why: 'a password longer than any', fields: { password: 'x'.repeat(2_000) } },
  ])('for $why, in the same words, and recorded', async ({ fields, change = (right) => right }) => {
    const password = change(door.passwords[ADMIN] ?? '')
    const { status, body, headers } = await door.post(LOGIN, { email: ADMIN, password, ...fields })
    expect(status).toBe(401)
    expect(body).toEqual({ error: 'Invalid credentials', hint: expect.any(String) })
    expect(headers.get('cache-control')).toBe('no-store')
    const [event] = await door.events('session.started')
    expect(event).toMatchObject({ outcome: 'deny', reason: 'invalid_credentials' })
    expect(JSON.stringify(event)).not.toContain('mallory')
  })

  test.each([
    { why: 'no email', body: { password: 'correct horse battery' }, error: /email is required/ },
    { why: 'no password', body: { email: ADMIN }, error: /password is required/ },
    { why: 'a password that is no text', body: { email: ADMIN, password: 1 }, error: /password/ },
    { why: 'no JSON', body: '{', error: /not valid JSON/ },
    { why: 'a member twice', body: '{"email":"a","email":"b","password":"c"}', error: /twice/ },
  ])('for $why with 400', async ({ body, error }) => {
    const answer = await door.post(LOGIN, body)
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatch(error)
  })

  test('whatever the case in which the address is written, here as at an account', async () => {
    const login = (email: string) => door.post(LOGIN, { email, password: 'not the password' })
    for (const email of [ADMIN, 'mallory@authsec.test']) {
      const spellings = [email, email.toUpperCase(), swapCase(email.slice(0, 3)) + email.slice(3)]
      for (const spelling of spellings) expect((await login(spelling)).body.error).toBe('Invalid credentials')
      expect((await login(email)).body.error).toBe('Account locked')
    }
  })

  test('for half an hour after three failures, whatever the password', async () => {
    for (const _ of [1, 2, 3]) expect((await wrongLogin()).body.error).toBe('Invalid credentials')
    const locked = await rightLogin()
    expect(locked.status).toBe(401)
    expect(locked.body.error).toBe('Account locked')
    expect(locked.headers.get('retry-after')).toBe('1800')
    expect(await door.events('session.started')).toMatchObject([{ reason: 'account_locked' }])

    door.pass(1_799)
    expect((await rightLogin()).status).toBe(401)
    door.pass(1)
    expect((await rightLogin()).status).toBe(200)
  })

  test('and is the same for an address that nobody has: nothing tells who has an account', async () => {
    const tell = async (email: string) => {
      const { status, body, headers } = await door.post(LOGIN, { email, password: 'not the password' })
      const { authsec_audit: _, ...rest } = body
      return { status, body: rest, retryAfter: headers.get('retry-after') }
    }
    const tellTwice = async () => {
      const [known, unknown] = [await tell(ADMIN), await tell('mallory-3@authsec.test')]
      expect(unknown).toEqual(known)
      return known.body.error
    }
    const wrong = Array(3).fill('Invalid credentials')
    for (const error of [...wrong, 'Account locked']) expect(await tellTwice()).toBe(error)
    door.pass(1_799)
    expect(await tellTwice()).toBe('Account locked')
    door.pass(1)
    expect(await tellTwice()).toBe('Invalid credentials')
  })

  test('when it is the fourth guess at once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, wrongLogin))
    const wrong = answers.filter(({ body }) => body.error === 'Invalid credentials')
    expect(wrong).toHaveLength(3)
  })

  test('with 429 when too many are checked at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        door.post(LOGIN, { email: `nobody-${index}@authsec.test`, password: 'not the password' }),
      ),
    )
    const limited = answers.filter(({ status }) => status === 429)
    expect(limited.length).toBeGreaterThan(0)
    expect(limited[0]?.headers.get('retry-after')).toBe('1')
  })
})

describe('a login', () => {
  test('takes the address in whatever case', async () => {
    const login = { email: swapCase(ADMIN), password: door.passwords[ADMIN] }
    expect(await door.post(LOGIN, login)).toMatchObject({ status: 200, body: { email: ADMIN } })
  })

  test('forgives failures once it succeeds', async () => {
    for (const _ of [1, 2, 3]) {
      await wrongLogin()
      await wrongLogin()
      expect((await rightLogin()).status).toBe(200)
    }
  })

  test('starts a session in the words of AuthSec', async () => {
    const { status, body } = await rightLogin()
    expect(status).toBe(200)
    expect(body).toEqual({
      tenant_id: door.server.tenantId,
      tenant_domain: '127.0.0.1',
      email: ADMIN,
      first_login: true,
      otp_required: false,
      webauthn_required: false,
      mfa_required: false,
      mfa_method: '',
      methods: [],
      token: expect.any(String),
    })
    expect(decodeProtectedHeader(body.token)).toEqual({ alg: 'HS256', typ: 'JWT', kid: 'default' })
    const now = door.now() / 1000
    expect(decodeJwt(body.token)).toMatchObject({
      iss: 'authsec-ai/auth-manager',
      aud: 'authsec-api',
      tenant_id: door.server.tenantId,
      project_id: door.server.tenantId,
      email_id: ADMIN,
      scope: expect.arrayContaining(['admin:access']),
      roles: ['admin'],
      iat: now,
      nbf: now,
      exp: now + 86_400,
    })
    expect((await door.get('/authsec/uflow/delegation-policies', body.token)).status).toBe(200)
    expect((await rightLogin()).body.first_login).toBe(false)

    const [event] = await door.events('session.started')
    expect(event).toMatchObject({ outcome: 'allow', details: { kind: 'password', expires_in: 86_400 } })
    expect(JSON.stringify(event)).not.toContain(ADMIN)
  })

  test('names a challenge once, within five minutes', async () => {
    const { body } = await door.get('/uflow/auth/admin/challenge')
    expect(body).toEqual({
      challenge: expect.any(String),
      created_at: '2026-11-24T09:00:00Z',
      expires_at: '2026-11-24T09:05:00Z',
    })
    const login = () =>
      door.post(LOGIN, { email: ADMIN, password: door.passwords[ADMIN], challenge: body.challenge })
    expect((await login()).status).toBe(200)
    expect((await login()).status).toBe(401)

    const { body: late } = await door.get('/uflow/auth/admin/challenge')
    door.pass(300)
    const answer = await door.post(LOGIN, { email: ADMIN, password: door.passwords[ADMIN], ...late })
    expect(answer.status).toBe(401)
  })

  test('of a member opens no admin route', async () => {
    const token = await door.login(ALICE)
    const { status, body } = await door.get('/authsec/uflow/delegation-policies', token)
    expect(status).toBe(403)
    expect(body.error).toBe('insufficient_scope')
  })

  test.each([
    { email: ADMIN, exists: true, next: 'login' },
    { email: 'mallory@authsec.test', exists: false, next: 'register' },
  ])('of $email is prepared by a precheck', async ({ email, exists, next }) => {
    const { status, body } = await door.post(`${LOGIN}/precheck`, { email, current_domain: 'x' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      exists,
      next_step: next,
      requires_password: exists,
      available_providers: [],
    })
  })
})

describe('a session', () => {
  test('is verified for whoever holds it', async () => {
    const token = await door.login(ALICE)
    const { status, body } = await door.post(VERIFY, { token })
    expect(status).toBe(200)
    expect(body).toEqual({
      valid: true,
      tenant_id: door.server.tenantId,
      project_id: door.server.tenantId,
      client_id: '',
      email_id: ALICE,
      scopes: ['billing:read', 'billing:refund', 'orders:read', 'profile:read'],
      roles: ['member'],
      groups: [],
      resources: ['billing', 'orders', 'profile'],
      token_type: 'user',
      issued_at: '2026-11-24T09:00:00Z',
      expires_at: '2026-11-25T09:00:00Z',
      issuer: 'authsec-ai/auth-manager',
    })
  })

  test.each([
    { why: 'no token of anybody', change: () => 'abc' },
    { why: 'a changed signature', change: (token: string) => `${token.slice(0, -4)}AAAA` },
    { why: 'no signature', change: (token: string) => `${token.slice(0, token.lastIndexOf('.'))}.` },
  ])('is not verified with $why', async ({ change }) => {
    const token = await door.login(ALICE)
    const { status, body } = await door.post(VERIFY, { token: change(token) })
    expect(status).toBe(401)
    expect(body.error).toBe('invalid token')
    expect(await door.events('token.introspected')).toMatchObject([{ outcome: 'deny' }])
  })

  test('ends when it is logged out, and no other with it', async () => {
    const [first, second] = [await door.login(ALICE), await door.login(ALICE)]
    expect((await door.post('/authsec/auth/logout', {}, first)).body).toEqual({ status: 'logged_out' })
    expect((await door.post(VERIFY, { token: first })).status).toBe(401)
    expect((await door.post('/authsec/auth/logout', {}, first)).status).toBe(401)
    expect((await door.post(VERIFY, { token: second })).status).toBe(200)
    expect(await door.events('session.ended', 2)).toMatchObject([{ outcome: 'allow' }, { outcome: 'deny' }])
  })

  test('ends after 24 hours', async () => {
    const token = await door.login(ALICE)
    door.pass(86_399)
    expect((await door.post(VERIFY, { token })).status).toBe(200)
    door.pass(1)
    expect((await door.post(VERIFY, { token })).status).toBe(401)
  })
})
