import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, type RunOptions, runCli } from '../support/run-cli.js'
import { answer, stubServer } from '../support/stub-server.js'

const DEV = 'http://127.0.0.1:7468'
const STAGING = 'https://auth.example/eu'
const TENANT = '5f0c8a4e-1111-4abc-8def-0123456789ab'
const OTHER_TENANT = '5f0c8a4e-2222-4abc-8def-0123456789ab'
const LATER = new Date(NOW + 60_000).toISOString()
const CONFIG = {
  profiles: {
    dev: { server_url: DEV, tenant_id: TENANT, client_id: 'client-dev' },
    staging: { server_url: STAGING, tenant_id: OTHER_TENANT },
  },
}
const CREDENTIALS = {
  dev: { access_token: 'session-dev', server_url: DEV, expires_at: LATER },
  staging: { access_token: 'session-staging', server_url: STAGING },
}

async function listPolicies(
  args: readonly string[] = [],
  {
    env = {},
    config = CONFIG,
    credentials = CREDENTIALS,
    routes = {},
  }: {
    env?: Record<string, string>
    config?: unknown
    credentials?: unknown
    routes?: Parameters<typeof stubServer>[0]
  } & RunOptions = {},
) {
  const directory = await makeDirectory()
  await mkdir(directory, { recursive: true })
  if (config) await writeFile(join(directory, 'config.json'), JSON.stringify(config))
  if (credentials) await writeFile(join(directory, 'credentials.json'), JSON.stringify(credentials))
  const server = stubServer({
    'GET /authsec/uflow/delegation-policies': [[]],
    'GET /eu/authsec/uflow/delegation-policies': [[]],
    ...routes,
  })
  const urls: string[] = []
  const run = await runCli(['policy', 'list', ...args], {
    env: { AUTHSEC_CONFIG_DIR: directory, ...env },
    fetch: (input, init) => {
      urls.push(String(input))
      return server.fetch(input, init)
    },
  })
  return { ...run, url: urls[0], session: server.calls[0]?.headers.get('authorization') ?? undefined }
}

describe('the server that a command uses', () => {
  test('is that of the profile dev when nothing else says otherwise, and it says so once', async () => {
    expect(await listPolicies()).toMatchObject({
      code: 0,
      url: `${DEV}/authsec/uflow/delegation-policies`,
      session: 'Bearer session-dev',
      stderr: `using profile dev (${DEV})\nno policies\n`,
    })
  })

  test('is not announced with --json, which keeps standard error for the error', async () => {
    expect(await listPolicies(['--json'])).toMatchObject({ code: 0, stdout: '[]\n', stderr: '' })
  })

  test.each([
    { why: 'a flag', args: ['--server', STAGING], env: { AUTHSEC_SERVER: DEV } },
    { why: 'the environment', args: [], env: { AUTHSEC_SERVER: `${STAGING}/` } },
    { why: 'the other name of the variable', args: [], env: { AUTHSEC_BASE_URL: STAGING } },
    { why: 'a flag that names a profile', args: ['--profile', 'staging'], env: { AUTHSEC_PROFILE: 'dev' } },
    { why: 'a variable that names a profile', args: [], env: { AUTHSEC_PROFILE: 'staging' } },
  ])('is what $why says, with the session of that server', async ({ args, env }) => {
    expect(await listPolicies(args, { env })).toMatchObject({
      code: 0,
      url: `${STAGING}/authsec/uflow/delegation-policies`,
      session: 'Bearer session-staging',
      stderr: 'no policies\n',
    })
  })

  test.each(['http://localhost:7468', 'http://[::1]:7468', 'http://127.0.0.1:7468/'])(
    'may be written %s: on one port the loopback names are one server',
    async (address) => {
      expect(await listPolicies(['--server', address])).toMatchObject({
        code: 0,
        session: 'Bearer session-dev',
      })
    },
  )

  test.each([
    'http://127.0.0.1:7469',
    'https://auth.example',
    'https://auth.example/eu2',
    'https://auth.example:8443/eu',
  ])('gets no session that belongs to another: %s', async (address) => {
    expect(await listPolicies(['--server', address])).toMatchObject({
      code: 4,
      session: undefined,
      stderr: expect.stringMatching(/^authsec: no live session for http.*\nhint: Log in with authsec login/),
    })
  })

  test('gets no stored session that belongs to another although a profile is named', async () => {
    const { session } = await listPolicies(['--server', 'http://127.0.0.1:1', '--profile', 'staging'])
    expect(session).toBeUndefined()
  })

  test('gets the session of the environment before a stored one', async () => {
    const { session } = await listPolicies([], { env: { AUTHSEC_TOKEN: 'mine' } })
    expect(session).toBe('Bearer mine')
  })

  test('is not called with a session that is no token, which is not repeated either', async () => {
    const run = await listPolicies([], { env: { AUTHSEC_TOKEN: 'se\ncret', AUTHSEC_DEBUG: '1' } })
    expect(run).toMatchObject({
      code: 2,
      session: undefined,
      stderr: expect.stringContaining('AUTHSEC_TOKEN is not'),
    })
    expect(run.stderr).not.toContain('cret')
  })

  test('is not called with a session that has expired', async () => {
    const credentials = { dev: { ...CREDENTIALS.dev, expires_at: new Date(NOW).toISOString() } }
    expect(await listPolicies([], { credentials })).toMatchObject({ code: 4, session: undefined })
  })

  test('may refuse a stale session: log in again', async () => {
    const routes = {
      'GET /authsec/uflow/delegation-policies': answer(401, { error: 'Invalid or expired token' }),
    }
    expect(await listPolicies([], { routes })).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/authsec: invalid or expired token\nhint: Log in with authsec login/),
    })
  })

  test.each([
    {
      why: 'nobody names one',
      options: { config: null, credentials: null },
      args: [],
      stderr:
        /^authsec: no server is given\nhint: Start one with authsec dev serve, or name one with --server or AUTHSEC_SERVER\.\n$/,
    },
    {
      why: 'the profile does not exist',
      options: {},
      args: ['--profile', 'prod'],
      stderr: /no profile is named "prod"\nhint: Profiles: dev, staging\./,
    },
    {
      why: 'a profile is called like a member of every object',
      options: {},
      args: ['--profile', 'constructor'],
      stderr: /no profile is named/,
    },
    {
      why: 'no profile exists',
      options: { config: null },
      args: ['--profile', 'prod'],
      stderr: /hint: There is none yet: authsec dev serve/,
    },
    {
      why: 'the address is none',
      options: {},
      args: ['--server', 'nonsense'],
      stderr: /"nonsense" is not the address of a server/,
    },
    {
      why: 'the address is not encrypted',
      options: {},
      args: ['--server', 'http://auth.example'],
      stderr: /is not the address of a server\nhint: .*https/,
    },
    {
      why: 'the address holds a password',
      options: {},
      args: ['--server', 'https://u:secret@auth.example'],
      stderr: /is not the address of a server/,
    },
    {
      why: 'the configuration is damaged',
      options: { config: [] },
      args: [],
      stderr: /config\.json" is not a JSON object\nhint: Repair/,
    },
    {
      why: 'the configuration is larger than one',
      options: { config: ' '.repeat(16 * 1024 * 1024) },
      args: [],
      stderr: /config\.json" is larger than 16384 KiB\nhint: Repair/,
    },
    {
      why: 'a profile has no server',
      options: { config: { profiles: { dev: {} } } },
      args: [],
      stderr: /profile "dev" in .* has no server_url/,
    },
  ])('is a usage error when $why', async ({ options, args, stderr }) => {
    const run = await listPolicies(args, options)
    expect(run).toMatchObject({ code: 2, stdout: '', url: undefined, stderr: expect.stringMatching(stderr) })
    expect(run.stderr).not.toContain('secret')
  })
})

describe('the tenant', () => {
  const METADATA = { issuer: 'x', authsec_tenant: 'tenant-said' }
  const routes = { 'GET /.well-known/oauth-authorization-server': METADATA }

  async function tenantOf(args: readonly string[], env: Record<string, string> = {}) {
    const directory = await makeDirectory()
    await writeFile(join(directory, 'config.json'), JSON.stringify(CONFIG))
    const paths: string[] = []
    const server = stubServer(routes)
    await runCli(['client', 'list', ...args], {
      env: { AUTHSEC_CONFIG_DIR: directory, AUTHSEC_TOKEN: 's', ...env },
      fetch: (input, init) => {
        paths.push(new URL(String(input)).pathname)
        return server.fetch(input, init)
      },
    })
    return /tenants\/([^/]+)\//.exec(paths.at(-1) ?? '')?.[1]
  }

  test.each([
    { from: 'the profile', args: [], env: {}, tenant: TENANT },
    {
      from: 'the environment first',
      args: [],
      env: { AUTHSEC_TENANT: OTHER_TENANT.toUpperCase() },
      tenant: OTHER_TENANT,
    },
    {
      from: 'the profile of the server that is named',
      args: ['--server', DEV],
      env: {},
      tenant: TENANT,
    },
    {
      from: 'the server itself last',
      args: ['--server', 'http://127.0.0.1:1'],
      env: {},
      tenant: 'tenant-said',
    },
  ])('comes from $from', async ({ args, env, tenant }) => {
    expect(await tenantOf(args, env)).toBe(tenant)
  })

  test.each([
    { where: 'AUTHSEC_TENANT', env: { AUTHSEC_TENANT: 'acme' }, said: 'of "AUTHSEC_TENANT"' },
    { where: 'a profile', env: { AUTHSEC_PROFILE: 'typo' }, said: 'of "profile typo"' },
  ])('is refused where it is none, before anybody is called: $where', async ({ env, said }) => {
    const directory = await makeDirectory()
    const typo = { server_url: DEV, tenant_id: 'acme' }
    await writeFile(join(directory, 'config.json'), JSON.stringify({ profiles: { typo } }))
    const run = await runCli(['client', 'list', '--server', DEV], {
      env: { AUTHSEC_CONFIG_DIR: directory, AUTHSEC_TOKEN: 's', ...env },
      fetch: () => Promise.reject(new TypeError('nobody is to be called')),
    })
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain(`the tenant "acme" ${said} is no UUID`)
    expect(run.stderr).toContain('leave it out: the server is asked for it')
  })
})
