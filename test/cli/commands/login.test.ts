import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createMemoryKeychain } from '../../support/memory-keychain.js'
import { makeDirectory, NOW, type RunOptions, runCli } from '../../support/run-cli.js'
import { answer, noConnection, stubServer, TENANT } from '../../support/stub-server.js'

const SERVER = 'https://authsec.example'
const SESSION = 'session-of-a-person'
const DEVICE_PATH = '/authsec/uflow/auth/device'
const LOGIN_PATH = '/authsec/uflow/auth/admin/login'

/** The answers of each generation, written down from what is documented: none of these servers is reachable here. */
const HEALTH = { status: 'healthy', service: 'clients-microservice' }
const GENERATIONS = {
  A: { 'GET /authsec/clientms/health': HEALTH },
  P: {
    'GET /authsec/clientms/health': HEALTH,
    'GET /authsec/oauth/v2/.well-known/oauth-authorization-server': { issuer: SERVER },
  },
  B: {
    'GET /authsec/clientms/health': answer(410, {
      error: 'clientms routes have been removed',
      correct_url: '/authsec/applications',
    }),
    'GET /.well-known/oauth-authorization-server': { issuer: SERVER },
  },
} as const

const CODE = {
  device_code: 'd'.repeat(64),
  user_code: 'WDJB-MJHT',
  verification_uri: 'https://app.authsec.example/activate',
  verification_uri_complete: 'https://app.authsec.example/activate?user_code=WDJB-MJHT',
  expires_in: 300,
  interval: 5,
}
const APPROVED = {
  access_token: SESSION,
  token_type: 'Bearer',
  expires_in: 86_400,
  scope: 'openid profile email',
  email: 'alice@authsec.test',
  user_id: 'u',
  tenant_id: TENANT,
  tenant_domain: 'authsec.example',
  client_id: '',
}
const PENDING = { error: 'authorization_pending', error_description: 'The user has not confirmed yet' }

type Routes = Parameters<typeof stubServer>[0]

async function login(args: readonly string[], routes: Routes, options: RunOptions = {}) {
  const directory = options.env?.['AUTHSEC_CONFIG_DIR'] ?? (await makeDirectory())
  const server = stubServer(routes)
  const clock = { time: NOW }
  const pauses: number[] = []
  const run = await runCli(['login', ...args], {
    fetch: server.fetch,
    clock: {
      now: () => clock.time,
      sleep: async (ms) => {
        pauses.push(ms)
        clock.time += ms
      },
    },
    ...options,
    env: { ...options.env, AUTHSEC_CONFIG_DIR: directory },
  })
  const read = async (name: string) => JSON.parse(await readFile(join(directory, name), 'utf8'))
  return { ...run, server, pauses, directory, read }
}

function device(...answers: readonly unknown[]): Routes {
  return {
    ...GENERATIONS.A,
    [`POST ${DEVICE_PATH}/code`]: CODE,
    [`POST ${DEVICE_PATH}/token`]: answers as never,
  }
}

describe('authsec login', () => {
  test('shows a code and a link, waits until somebody has confirmed, and keeps session and profile', async () => {
    const run = await login(['--server', SERVER], device(PENDING, PENDING, APPROVED))
    expect(run).toMatchObject({ code: 0, stdout: '', pauses: [5_000, 5_000, 5_000] })
    expect(run.stderr).toBe(
      [
        'your code is WDJB-MJHT',
        `confirm it at ${CODE.verification_uri_complete}`,
        'waiting; the code expires in 5 minutes',
        `logged in to ${SERVER} as alice@authsec.test`,
        `profile authsec.example is in use; the session lies in ${run.directory}/credentials.json`,
        'no keychain was used: whoever can read that file can act as you',
        '',
      ].join('\n'),
    )
    expect(await run.read('config.json')).toEqual({
      profile: 'authsec.example',
      profiles: { 'authsec.example': { server_url: SERVER, tenant_id: TENANT, generation: 'A' } },
    })
    expect(await run.read('credentials.json')).toEqual({
      'authsec.example': {
        access_token: SESSION,
        server_url: SERVER,
        expires_at: '2026-08-22T12:00:15Z',
      },
    })
    expect((await stat(join(run.directory, 'credentials.json'))).mode & 0o777).toBe(0o600)
  })

  test('prints JSON Lines with --json, and no secret', async () => {
    const { code, stdout, stderr } = await login(['--server', SERVER, '--json'], device(APPROVED))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [asked, opened] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(asked).toMatchObject({ type: 'code', user_code: 'WDJB-MJHT', interval: 5 })
    expect(opened).toEqual({
      type: 'session',
      profile: 'authsec.example',
      server_url: SERVER,
      generation: 'A',
      tenant_id: TENANT,
      email: 'alice@authsec.test',
      expires_at: '2026-08-22T12:00:05Z',
      stored_in: 'file',
    })
    expect(stdout).not.toMatch(/session-of-a-person|d{64}/)
  })

  test('keeps the secret in the keychain where one answers', async () => {
    const keychain = createMemoryKeychain()
    const run = await login(['--server', SERVER], device(APPROVED), { keychain })
    expect(run.stderr).toContain('the session lies in the keychain\n')
    expect([...keychain.entries.values()]).toEqual([SESSION])
    expect(JSON.stringify(await run.read('credentials.json'))).not.toContain(SESSION)
  })

  test('asks less often when told so, and waits out an outage', async () => {
    const busy = answer(503, { error: 'busy' })
    const slow = answer(400, { error: 'slow_down', error_description: 'Polling too fast' })
    const run = await login(['--server', SERVER], device(slow, noConnection(), busy, APPROVED))
    expect(run).toMatchObject({ code: 0, pauses: [5_000, 10_000, 20_000, 40_000] })
    expect(run.stderr.match(/^warning: .*still asking$/gm)).toHaveLength(1)
  })

  test.each([
    {
      why: 'nobody confirms in time',
      answers: [PENDING],
      code: 8,
      says: /nobody has confirmed the code WDJB-MJHT/,
    },
    {
      why: 'the code is used up',
      answers: [answer(400, { error: 'expired_token', error_description: 'Device code has expired' })],
      code: 8,
      says: /nobody has confirmed/,
    },
    {
      why: 'somebody refuses',
      answers: [answer(403, { error: 'access_denied', error_description: 'The user denied' })],
      code: 5,
      says: /the login was refused in the browser/,
    },
    {
      why: 'an error comes with 200 and will not end',
      answers: [{ error: 'server_error', error_description: 'Database is down' }],
      code: 8,
      says: /warning: database is down; still asking/,
    },
    {
      why: 'the session cannot stand in a header',
      answers: [{ ...APPROVED, access_token: 'a\nb' }],
      code: 21,
      says: /the session is not a token/,
    },
    {
      why: 'the session is missing',
      answers: [{ token_type: 'Bearer' }],
      code: 21,
      says: /has no access_token/,
    },
  ])('ends with $code when $why, and keeps nothing', async ({ answers, code, says }) => {
    const run = await login(['--server', SERVER], device(...answers))
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) })
    await expect(run.read('credentials.json')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.each(['javascript:alert(1)', 'file:///etc/passwd', 'nonsense'])(
    'does not show the link %s',
    async (link) => {
      const routes = {
        ...device(APPROVED),
        [`POST ${DEVICE_PATH}/code`]: { ...CODE, verification_uri: link },
      }
      expect(await login(['--server', SERVER], routes)).toMatchObject({
        code: 21,
        stderr: expect.stringContaining('the link is no web address'),
      })
    },
  )

  test('does not carry the code to another page than the one that asks for it', async () => {
    const filled = 'https://elsewhere.example/?user_code=WDJB-MJHT'
    const routes = {
      ...device(APPROVED),
      [`POST ${DEVICE_PATH}/code`]: { ...CODE, verification_uri_complete: filled },
    }
    const { stderr } = await login(['--server', SERVER], routes)
    expect(stderr).toContain(`confirm it at ${CODE.verification_uri}\n`)
    expect(stderr).not.toContain('elsewhere')
  })
})

describe('authsec login --non-interactive', () => {
  test('prints the code and comes back; --complete waits for it, with the device code in no output', async () => {
    const begun = await login(['--server', SERVER, '--non-interactive'], device(APPROVED))
    expect(begun).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(begun.stdout)).toEqual({
      user_code: 'WDJB-MJHT',
      verification_uri: CODE.verification_uri,
      verification_uri_complete: CODE.verification_uri_complete,
      expires_at: '2026-08-21T12:05:00Z',
      interval: 5,
      server_url: SERVER,
      profile: 'authsec.example',
      complete: 'authsec login --complete',
    })
    expect((await stat(join(begun.directory, 'pending-login.json'))).mode & 0o777).toBe(0o600)

    const env = { AUTHSEC_CONFIG_DIR: begun.directory }
    const completed = await login(['--complete'], device(PENDING, APPROVED), { env })
    expect(completed).toMatchObject({ code: 0, stdout: '' })
    expect(await completed.read('credentials.json')).toMatchObject({
      'authsec.example': { access_token: SESSION },
    })
    expect(await login(['--complete'], {}, { env })).toMatchObject({
      code: 2,
      stderr:
        /* once */ 'authsec: no login has been begun\nhint: Begin one with authsec login --non-interactive.\n',
    })
  })
})

describe('authsec login --email', () => {
  const PASSWORD = 'correct horse battery'
  const OPENED = { tenant_id: TENANT, email: 'admin@authsec.test', first_login: false, token: SESSION }
  const args = ['--server', SERVER, '--email', 'admin@authsec.test']

  test.each([
    { how: 'standard input', more: ['--password-stdin'], options: { stdin: `${PASSWORD}\n` } },
    { how: 'a hidden prompt', more: [], options: { tty: true, answers: [PASSWORD] } },
  ])('takes the password from $how', async ({ more, options }) => {
    const routes = { ...GENERATIONS.A, [`POST ${LOGIN_PATH}`]: OPENED }
    const run = await login([...args, ...more], routes, options)
    expect(run).toMatchObject({ code: 0, stdout: '' })
    expect(JSON.parse(run.server.calls.at(-1)?.body ?? '')).toEqual({
      email: 'admin@authsec.test',
      password: PASSWORD,
    })
    expect(`${run.stdout}${run.stderr}`).not.toContain(PASSWORD)
    expect(run.stderr).not.toContain('AUTHSEC_TOKEN')
  })

  test('says that AUTHSEC_TOKEN goes before the session', async () => {
    const routes = { ...GENERATIONS.A, [`POST ${LOGIN_PATH}`]: OPENED }
    const env = { AUTHSEC_TOKEN: SESSION }
    const run = await login([...args, '--password-stdin'], routes, { stdin: PASSWORD, env })
    expect(run).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('warning: AUTHSEC_TOKEN goes before this session: unset it'),
    })
  })

  test.each([
    {
      why: 'the password is wrong',
      reply: answer(401, { error: 'Invalid credentials', hint: 'x' }),
      code: 4,
      says: /invalid credentials/,
    },
    {
      why: 'the account is locked',
      reply: answer(401, { error: 'Account locked', message: '30 minutes' }),
      code: 5,
      says: /account locked/,
    },
    {
      why: 'a second factor is wanted',
      reply: {
        email: 'a',
        otp_required: true,
        mfa_required: true,
        methods: ['totp'],
        login_ticket: 'ticket-1',
      },
      code: 5,
      says: /second factor, which a browser asks for\nhint: Leave out --email/,
    },
    {
      why: 'there is no token',
      reply: { email: 'a' },
      code: 21,
      says: /the session has no token\nhint: Check that the address/,
    },
    { why: 'it is an error with 200', reply: { error: 'login failed' }, code: 21, says: /login failed/ },
  ])('ends with $code when $why', async ({ reply, code, says }) => {
    const routes = { ...GENERATIONS.A, [`POST ${LOGIN_PATH}`]: reply }
    const run = await login([...args, '--password-stdin'], routes, { stdin: PASSWORD })
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) })
    expect(run.stderr).not.toMatch(/correct horse|ticket-1/)
  })

  test.each([
    { why: 'nobody can be asked', more: [], options: {}, says: /no terminal to ask/ },
    {
      why: 'a terminal would show it',
      more: ['--password-stdin'],
      options: { tty: true },
      says: /which would show/,
    },
    {
      why: 'it is empty',
      more: ['--password-stdin'],
      options: { stdin: '\n' },
      says: /the password is empty\nhint: Pipe it in as one line/,
    },
  ])('is a usage error when $why', async ({ more, options, says }) => {
    expect(await login([...args, ...more], GENERATIONS.A, options)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(says),
    })
  })
})

test('a password of nobody is a usage error, and nobody waits for a code', async () => {
  const run = await login(['--password-stdin', '--server', SERVER], GENERATIONS.A, {
    stdin: 'correct horse battery',
  })
  expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('Add --email ADDRESS.') })
})

describe('the generation of the server', () => {
  const opened = { [`POST ${DEVICE_PATH}/code`]: CODE, [`POST ${DEVICE_PATH}/token`]: APPROVED }

  test.each([
    { generation: 'A', routes: GENERATIONS.A },
    { generation: 'P', routes: GENERATIONS.P },
    { generation: 'B', routes: GENERATIONS.B },
    {
      generation: 'A',
      routes: { 'GET /authsec/uflow/sdk/delegation-token': answer(400, { error: 'client_id is required' }) },
    },
    {
      generation: 'B',
      routes: {
        'GET /authsec/uflow/sdk/delegation-token': answer(401, { error: 'authorization header required' }),
      },
    },
  ])('is found to be $generation, and remembered', async ({ generation, routes }) => {
    const run = await login(['--server', SERVER], { ...opened, ...routes })
    expect(run.code).toBe(0)
    expect((await run.read('config.json')).profiles['authsec.example'].generation).toBe(generation)
  })

  test('is what --generation says, and then nobody is asked', async () => {
    const run = await login(['--server', SERVER, '--generation', 'B'], opened)
    expect(run.server.calls.map(({ path }) => path)).toEqual([`${DEVICE_PATH}/code`, `${DEVICE_PATH}/token`])
    expect((await run.read('config.json')).profiles['authsec.example'].generation).toBe('B')
  })

  test('is taken for A aloud when nothing tells', async () => {
    const run = await login(['--server', SERVER], opened)
    expect(run).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^warning: nothing tells .* taken for A/),
    })
  })

  test('is not guessed when the server does not answer', async () => {
    const routes = { 'GET /authsec/clientms/health': noConnection() }
    expect(await login(['--server', SERVER], routes)).toMatchObject({ code: 20 })
  })

  test('of the workspace era names the tenant a workspace', async () => {
    const { tenant_id: _, ...approved } = APPROVED
    const routes = {
      ...GENERATIONS.B,
      ...opened,
      [`POST ${DEVICE_PATH}/token`]: { ...approved, workspace_id: 'workspace-1' },
    }
    const run = await login(['--server', SERVER], routes)
    expect((await run.read('config.json')).profiles['authsec.example'].tenant_id).toBe('workspace-1')
  })
})

describe('where to log in', () => {
  test.each([
    { why: 'nobody names a server', args: [], says: /no server is given\nhint: Say where to log in/ },
    {
      why: 'the address is not encrypted',
      args: ['--server', 'http://authsec.example'],
      says: /not the address/,
    },
    {
      why: 'the name cannot be one',
      args: ['--server', SERVER, '--profile', '../x'],
      says: /cannot name a profile/,
    },
    {
      why: 'what does not go together is given',
      args: ['--non-interactive', '--complete'],
      says: /cannot be used with/,
    },
  ])('is a usage error when $why', async ({ args, says }) => {
    expect(await login(args, {})).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })

  test('is refused for a profile of another server', async () => {
    const first = await login(['--server', SERVER, '--profile', 'team'], device(APPROVED))
    const env = { AUTHSEC_CONFIG_DIR: first.directory }
    expect(
      await login(['--server', 'https://other.example', '--profile', 'team'], device(APPROVED), { env }),
    ).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/profile "team" is for https:\/\/authsec\.example/),
    })
  })
})
