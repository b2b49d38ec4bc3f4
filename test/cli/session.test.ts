import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeDirectory, type RunOptions, runCli } from '../support/run-cli.js'
import { startTestServer, type TestServer } from '../support/running-server.js'
import { answer, noConnection, stubServer, TENANT } from '../support/stub-server.js'

const ADMIN = 'admin@authsec.test'
const PASSWORD = 'correct horse battery'

let server: TestServer
let directory: string
beforeAll(async () => {
  server = await startTestServer({ passwords: { [ADMIN]: PASSWORD } })
})
beforeEach(async () => {
  directory = await makeDirectory()
})
afterAll(() => server.close())

const run = (args: readonly string[], options: RunOptions = {}) =>
  runCli(args, {
    fetch: globalThis.fetch,
    clock: { now: () => server.now },
    ...options,
    env: { AUTHSEC_CONFIG_DIR: directory, ...options.env },
  })
const login = () =>
  run(['login', '--server', server.url, '--email', ADMIN, '--password-stdin'], { stdin: PASSWORD })

describe('a session at a real server', () => {
  test('is made by a password, tells who one is, administers, and ends', async () => {
    expect(await login()).toMatchObject({ code: 0, stdout: '' })
    const who = await run(['whoami', '--json'])
    expect(JSON.parse(who.stdout)).toMatchObject({
      verified: true,
      email: ADMIN,
      tenant_id: server.tenantId,
      roles: ['admin'],
      permissions: expect.arrayContaining(['admin:access']),
      server_url: server.url,
      generation: 'A',
      session_in: 'file',
    })
    expect(await run(['client', 'list'])).toMatchObject({ code: 0 })
    expect(await run(['logout'])).toMatchObject({ code: 0, stderr: `logged out of ${server.url}\n` })
    expect(await run(['whoami'])).toMatchObject({ code: 4, stdout: '' })
  })

  test('that was ended elsewhere counts no more, and --offline cannot know', async () => {
    await login()
    const { access_token } = JSON.parse(await readFile(join(directory, 'credentials.json'), 'utf8'))[
      `127.0.0.1-${server.port}`
    ]
    await server.call('POST', '/authsec/auth/logout', {
      headers: { authorization: `Bearer ${access_token}` },
    })
    expect(await run(['whoami'])).toMatchObject({
      code: 4,
      stderr: 'authsec: the session has expired or was ended\nhint: Log in again with authsec login.\n',
    })
    const offline = await run(['whoami', '--offline', '--json'], { fetch: refuse })
    expect(JSON.parse(offline.stdout)).toMatchObject({ verified: false, email: ADMIN })
  })

  test('is made by a code that somebody confirms', async () => {
    const admin = await server.call('POST', '/authsec/uflow/auth/admin/login', {
      json: { email: ADMIN, password: PASSWORD },
    })
    const begun = await run(['login', '--server', server.url, '--non-interactive'])
    const { user_code, verification_uri } = JSON.parse(begun.stdout)
    expect(verification_uri).toBe(`${server.url}/activate`)
    const confirmed = await server.call('POST', '/authsec/uflow/auth/device/authorize', {
      json: { user_code, approved: true },
      headers: { authorization: `Bearer ${admin.json.token}` },
    })
    expect(confirmed.json).toEqual({ status: 'authorized' })
    expect(
      await run(['login', '--complete'], { clock: { now: () => server.now, sleep: async () => {} } }),
    ).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`logged in to ${server.url} as ${ADMIN}`),
    })
  })

  test('is refused for a wrong password', async () => {
    const args = ['login', '--server', server.url, '--email', ADMIN, '--password-stdin']
    expect(await run(args, { stdin: 'not the password' })).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^authsec: invalid credentials\nhint: /),
    })
  })
})

describe('authsec logout', () => {
  const SERVER = 'https://authsec.example'
  async function keep() {
    const profiles = { team: { server_url: SERVER, generation: 'A' } }
    await writeFile(join(directory, 'config.json'), JSON.stringify({ profile: 'team', profiles }))
    const session = { access_token: 'secret', server_url: SERVER, expires_at: '2026-12-24T12:00:00Z' }
    await writeFile(join(directory, 'credentials.json'), JSON.stringify({ team: session }))
  }

  test.each([
    {
      why: 'cannot end sessions',
      reply: answer(404, { error: 'Not found' }),
      says: /cannot end a session: it counts there until 2026-12-24T12:00:00Z/,
    },
    {
      why: 'cannot be reached',
      reply: noConnection(),
      says: /cannot reach .*: the session may count there until/,
    },
    { why: 'fails', reply: answer(500, { error: 'oops' }), says: /oops: the session may count there/ },
  ])('forgets the session although the server $why, and says so', async ({ reply, says }) => {
    await keep()
    const { fetch } = stubServer({ 'POST /authsec/auth/logout': reply })
    const ended = await run(['logout', '--json'], { fetch })
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringMatching(says) })
    expect(JSON.parse(ended.stdout)).toEqual({ server_url: SERVER, ended: false, forgotten: ['team'] })
    expect(await run(['whoami', '--offline'])).toMatchObject({ code: 4 })
  })

  test('leaves alone what the environment holds, and says so', async () => {
    await keep()
    const { fetch, calls } = stubServer({})
    const ended = await run(['logout'], { fetch, env: { AUTHSEC_TOKEN: 'mine' } })
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('AUTHSEC_TOKEN still holds a session'),
    })
    expect(calls).toEqual([])
  })
})

describe('authsec whoami', () => {
  test('asks the newer servers at their own path, and calls the workspace a tenant', async () => {
    const { fetch, calls } = stubServer({
      'POST /authsec/auth/token/verify': {
        valid: true,
        workspace_id: TENANT,
        email_id: 'a@b.test',
        scopes: null,
      },
    })
    await run(['profile', 'create', 'b', '--server', 'https://b.example', '--generation', 'B'])
    const who = await run(['whoami', '--profile', 'b', '--json'], { fetch, env: { AUTHSEC_TOKEN: 'mine' } })
    expect(JSON.parse(who.stdout)).toMatchObject({
      tenant_id: TENANT,
      permissions: [],
      session_in: 'environment',
    })
    expect(calls.map(({ path }) => path)).toEqual(['/authsec/auth/token/verify'])
  })

  test.each([{}, { email_id: 'a@b.test' }, { valid: null }])('believes nothing of %j', async (reply) => {
    const { fetch } = stubServer({ 'POST /authsec/authmgr/token/verify': reply })
    const env = { AUTHSEC_SERVER: 'https://a.example', AUTHSEC_TOKEN: 'mine' }
    expect(await run(['whoami', '--json'], { fetch, env })).toMatchObject({
      code: 21,
      stdout: '',
      stderr: expect.stringContaining('the session is not said to be valid'),
    })
  })

  test.each([
    { why: 'says that it counts no more', reply: { valid: false } },
    { why: 'refuses it', reply: answer(401, { error: 'invalid token' }) },
  ])('ends with 4 when the server $why', async ({ reply }) => {
    const { fetch } = stubServer({ 'POST /authsec/authmgr/token/verify': reply })
    const env = { AUTHSEC_SERVER: 'https://a.example', AUTHSEC_TOKEN: 'mine' }
    expect(await run(['whoami'], { fetch, env })).toMatchObject({ code: 4, stdout: '' })
  })
})

async function refuse(): Promise<never> {
  throw new Error('nobody is to be called')
}
