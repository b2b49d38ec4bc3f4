import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN, ALICE, type Door, openDoor } from './door.js'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
// What one test guessed wrong is forgiven before the next.
beforeEach(() => door.pass(300))
afterAll(() => door.server.close())

interface Page {
  status: number
  headers: Headers
  text: string
  /** What the browser would send from here on. */
  cookie: string
  formToken: string
}

async function readPage(response: Response, former = ''): Promise<Page> {
  const text = await response.text()
  const set = response.headers.get('set-cookie')
  return {
    status: response.status,
    headers: response.headers,
    text,
    cookie: set?.split(';')[0] ?? former,
    formToken: /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '',
  }
}

const open = async (path = '/activate', headers: Record<string, string> = {}) =>
  readPage(await fetch(`${door.server.url}${path}`, { headers }))

const submit = async (
  { cookie, formToken }: Pick<Page, 'cookie' | 'formToken'>,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
) =>
  readPage(
    await fetch(`${door.server.url}/activate`, {
      method: 'POST',
      body: new URLSearchParams({ form_token: formToken, ...fields }),
      headers: { cookie, origin: door.server.url, 'sec-fetch-site': 'same-origin', ...headers },
    }),
    cookie,
  )

const startDevice = async (body: object = {}) =>
  (await door.post('/uflow/auth/device/code', body)).body as { user_code: string; device_code: string }
const poll = async (device_code: string) =>
  (await door.post('/uflow/auth/device/token', { device_code })).body
const credentialsOf = (email: string) => ({ email, password: door.passwords[email] ?? '' })

describe('the activation page', () => {
  test.each(['/activate', '/uflow/activate', '/authsec/uflow/activate'])(
    'at %s runs nothing, loads nothing and is shown in no frame',
    async (path) => {
      const { status, headers, text } = await open(path)
      expect(status).toBe(200)
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; /)
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("form-action 'self'")
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('same-origin')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(text).not.toContain('<script')
      expect(headers.get('set-cookie')).toMatch(
        /^authsec_page=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=900; HttpOnly; SameSite=Strict$/,
      )
    },
  )

  test('lets a device in: code and password, then the answer', async () => {
    const { user_code, device_code } = await startDevice({ device_info: { name: 'tv' } })
    const page = await open(`/activate?user_code=${user_code}`)
    expect(page.text).toContain(`value="${user_code}"`)

    const question = await submit(page, { step: 'look', user_code, ...credentialsOf(ALICE) })
    expect(question.status).toBe(200)
    expect(question.text).toContain(ALICE)
    expect(question.text).toContain('billing:refund')
    expect(question.text).toContain('tv')
    // Whoever planted a cookie before does not know the one of the login.
    expect(question.cookie).not.toBe(page.cookie)
    expect((await poll(device_code)).error).toBe('authorization_pending')

    const done = await submit(question, { step: 'approve', user_code })
    expect(done.status).toBe(200)
    expect(done.text).toContain('The device is connected')
    expect((await poll(device_code)).email).toBe(ALICE)
    expect(await door.events('device.approved')).toMatchObject([{ outcome: 'allow' }])

    // The next device needs no password within a quarter of an hour.
    const next = await startDevice()
    const again = await open('/activate', { cookie: question.cookie })
    expect(again.text).toContain(`logged in as <strong>${ALICE}</strong>`)
    expect(again.text).not.toContain('type="password"')
    const second = await submit(again, { step: 'look', user_code: next.user_code })
    await submit(second, { step: 'deny', user_code: next.user_code })
    door.pass(5)
    expect((await poll(next.device_code)).error).toBe('access_denied')
  })

  test('says what an admin would give away', async () => {
    const { user_code } = await startDevice()
    const page = await open()
    const question = await submit(page, { step: 'look', user_code, ...credentialsOf(ADMIN) })
    expect(question.text).toContain('the administration of this server')
  })

  test('writes whatever comes from elsewhere as text', async () => {
    const evil = '"><script>alert(1)</script>\u202e'
    const { user_code } = await startDevice({ device_info: { [evil]: evil } })
    const page = await open(`/activate?user_code=${encodeURIComponent(evil)}`)
    expect(page.text).toContain('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;')
    const wrong = await submit(page, { step: 'look', user_code: evil, email: evil, password: evil })
    const question = await submit(page, { step: 'look', user_code, ...credentialsOf(ALICE) })
    for (const { text } of [page, wrong, question]) {
      expect(text).not.toContain('<script')
      expect(text).not.toContain('\u202e')
    }
  })

  test.each([
    {
      why: 'a wrong password',
      fields: () => ({ email: ALICE, password: 'not the password' }),
      status: 401,
    },
    { why: 'nobody', fields: () => ({}), status: 401 },
    {
      why: 'a wrong code',
      fields: () => ({ ...credentialsOf(ALICE), user_code: 'AAAA-AAAA' }),
      status: 400,
    },
  ])('says so for $why, and keeps what was typed but the password', async ({ fields, status }) => {
    const { user_code } = await startDevice()
    const page = await open()
    const again = await submit(page, { step: 'look', user_code, ...fields() })
    expect(again.status).toBe(status)
    expect(again.text).toContain('role="alert"')
    expect(again.text).not.toContain('not the password')
    expect(again.text).not.toContain('Approve')
  })

  test('forgets somebody at once', async () => {
    const { user_code } = await startDevice()
    const question = await submit(await open(), { step: 'look', user_code, ...credentialsOf(ALICE) })
    const page = await submit(question, { step: 'forget', user_code })
    expect(page.text).toContain('type="password"')
    const old = { cookie: question.cookie, formToken: question.formToken }
    expect((await submit(old, { step: 'approve', user_code })).status).toBe(401)
  })

  test('knows somebody for 15 minutes', async () => {
    const first = await startDevice()
    const question = await submit(await open(), {
      step: 'look',
      user_code: first.user_code,
      ...credentialsOf(ALICE),
    })
    door.pass(900)
    const { user_code, device_code } = await startDevice()
    expect((await submit(question, { step: 'approve', user_code })).status).toBe(401)
    expect((await poll(device_code)).error).toBe('authorization_pending')
  })

  test('limits guesses of codes', async () => {
    let page = await submit(await open(), { step: 'look', user_code: 'AAAA-AAA2', ...credentialsOf(ALICE) })
    for (let guess = 0; guess < 9; guess++) {
      page = await submit(page, { step: 'look', user_code: 'AAAA-AAA2' })
      expect(page.status).toBe(400)
    }
    const { user_code } = await startDevice()
    const late = await submit(page, { step: 'look', user_code })
    expect(late.status).toBe(429)
    expect(late.headers.get('retry-after')).toBe('300')
  })

  test('leaves no session that is a token', async () => {
    const { user_code } = await startDevice()
    const { cookie } = await submit(await open(), { step: 'look', user_code, ...credentialsOf(ALICE) })
    const handle = cookie.slice('authsec_page='.length)
    expect((await door.post('/authmgr/token/verify', { token: handle })).status).toBe(401)
    expect((await door.get('/uflow/delegation-policies', handle)).status).toBe(401)
  })
})

describe('an answer is refused', () => {
  test.each([
    { why: 'without the token of the form', change: () => ({ formToken: '' }) },
    {
      why: 'with the token of another visitor',
      change: (_: Page, other: Page) => ({ formToken: other.formToken }),
    },
    { why: 'without the cookie', change: () => ({ cookie: '' }) },
    { why: 'with two cookies', change: ({ cookie }: Page) => ({ cookie: `${cookie}; ${cookie}` }) },
    { why: 'with a cookie of another form', change: () => ({ cookie: 'authsec_page=x' }) },
  ])('$why', async ({ change }) => {
    const { user_code, device_code } = await startDevice()
    const question = await submit(await open(), { step: 'look', user_code, ...credentialsOf(ALICE) })
    const refused = await submit(
      { ...question, ...change(question, await open()) },
      { step: 'approve', user_code },
    )
    expect(refused.status).toBe(403)
    expect(refused.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(refused.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect((await poll(device_code)).error).toBe('authorization_pending')
    expect(await door.events('device.approved')).toMatchObject([
      { outcome: 'deny', reason: 'foreign_origin' },
    ])
  })

  test('with a character that is no text, before anybody is asked who it is', async () => {
    const refused = await submit(await open(), { step: 'look', user_code: 'x', email: '\0', password: 'x' })
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('holds a character that is not text')
  })

  test.each([
    { why: 'a page of another port', headers: { 'sec-fetch-site': 'same-site' } },
    { why: 'a page of another site', headers: { 'sec-fetch-site': 'cross-site' } },
    { why: 'a page that says so', headers: { origin: 'http://127.0.0.1:1' } },
    { why: 'a page that hides itself', headers: { origin: 'null' } },
  ])('from $why', async ({ headers }) => {
    const { user_code, device_code } = await startDevice()
    const question = await submit(await open(), { step: 'look', user_code, ...credentialsOf(ALICE) })
    const refused = await submit(question, { step: 'approve', user_code }, headers as Record<string, string>)
    expect(refused.status).toBe(403)
    expect((await poll(device_code)).error).toBe('authorization_pending')
  })

  test.each([
    { why: 'says nothing', fields: {} },
    { why: 'says something else', fields: { step: 'maybe' } },
  ])('that $why', async ({ fields }) => {
    const { user_code } = await startDevice()
    const question = await submit(await open(), { step: 'look', user_code, ...credentialsOf(ALICE) })
    expect((await submit(question, { user_code, ...(fields as Record<string, string>) })).status).toBe(400)
  })

  test.each([
    {
      why: 'a link on another site',
      headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      status: 200,
    },
    {
      why: 'a form on another site',
      method: 'POST',
      headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      status: 403,
    },
    { why: 'a frame', headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, status: 403 },
    { why: 'an image', headers: { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, status: 403 },
    { why: 'a script', headers: { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }, status: 403 },
  ])('and the page is opened from $why with $status', async ({ method = 'GET', headers, status }) => {
    // Not through a socket: this runtime's own client sets these headers itself, as a browser does.
    const page = await door.server.fetch(
      new Request(`${door.server.url}/activate`, {
        method,
        headers: { 'sec-fetch-site': 'cross-site', ...(headers as Record<string, string>) },
      }),
    )
    expect(page.status).toBe(status)
  })
})
