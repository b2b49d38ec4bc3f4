import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { makeDirectory, type RunOptions, runCli } from '../support/run-cli.js'
import { stubServer } from '../support/stub-server.js'

const DEV = 'http://127.0.0.1:7468'
const TEAM = 'https://team.example'
const OTHER = 'https://other.example'
const DEV_TENANT = '5f0c8a4e-1111-4abc-8def-0123456789ab'
const TEAM_TENANT = '5f0c8a4e-2222-4abc-8def-0123456789ab'
const CONFIG = {
  profile: 'team',
  profiles: {
    dev: { server_url: DEV, tenant_id: DEV_TENANT },
    team: { server_url: TEAM, tenant_id: TEAM_TENANT, client_id: 'client-team', generation: 'P' },
  },
}

let home: string
let project: string
beforeEach(async () => {
  home = await makeDirectory()
  project = join(home, 'project', 'deep')
  await mkdir(project, { recursive: true })
  await writeFile(join(home, 'config.json'), JSON.stringify(CONFIG))
})

const run = (args: readonly string[], options: RunOptions = {}) =>
  runCli(args, { workingDirectory: project, ...options, env: { AUTHSEC_CONFIG_DIR: home, ...options.env } })
const writeProject = (content: unknown, text = JSON.stringify(content)) =>
  writeFile(join(home, 'project', 'authsec.config.json'), text)

async function settle(options: RunOptions = {}) {
  const { stdout } = await run(['config', 'list', '--json'], options)
  const rows: { name: string; value: string; origin: string }[] = JSON.parse(stdout)
  return Object.fromEntries(rows.map(({ name, value, origin }) => [name, `${value} (${origin})`]))
}

describe('the issuers that are trusted', () => {
  test('are set, shown and taken back, as they stand', async () => {
    const issuers = 'https://token.actions.githubusercontent.com,https://ci.example/a/'
    expect(await run(['config', 'set', 'trusted_issuers', issuers])).toMatchObject({ code: 0 })
    expect((await run(['config', 'get', 'trusted_issuers'])).stdout).toBe(`${issuers}\n`)
    const { profiles } = JSON.parse(await readFile(join(home, 'config.json'), 'utf8'))
    expect(profiles.team.trusted_issuers).toEqual(issuers.split(','))
    expect(await run(['config', 'unset', 'trusted_issuers'])).toMatchObject({ code: 0 })
    expect(await run(['config', 'get', 'trusted_issuers'])).toMatchObject({ code: 6 })
  })

  test.each([
    { why: 'what is no address', args: ['ci.example'] },
    { why: 'an address that anybody can speak for', args: ['http://ci.example'] },
    { why: 'a project that could believe for everybody', args: ['https://ci.example', '--project'] },
  ])('are not set to $why', async ({ args }) => {
    expect(await run(['config', 'set', 'trusted_issuers', ...args])).toMatchObject({ code: 2 })
  })
})

describe('what is settled', () => {
  test('comes from the profile in use when nobody else says anything', async () => {
    expect(await settle()).toEqual({
      profile: 'team (profile)',
      server: `${TEAM} (profile)`,
      tenant_id: `${TEAM_TENANT} (profile)`,
      client_id: 'client-team (profile)',
      generation: 'P (profile)',
    })
  })

  test('comes from the project file before that, and only what fits its server', async () => {
    await writeProject({ server: DEV, client_id: 'client-project' })
    expect(await settle()).toEqual({
      profile: 'dev (project)',
      server: `${DEV} (project)`,
      tenant_id: `${DEV_TENANT} (profile)`,
      client_id: 'client-project (project)',
    })
    expect(await settle({ env: { AUTHSEC_SERVER: TEAM } })).toMatchObject({
      client_id: 'client-team (profile)',
    })
  })

  test.each([
    { env: { AUTHSEC_SERVER: TEAM }, server: `${TEAM} (environment)`, profile: 'team (profile)' },
    { env: { AUTHSEC_PROFILE: 'team' }, server: `${TEAM} (profile)`, profile: 'team (environment)' },
    { env: { AUTHSEC_SERVER: OTHER }, server: `${OTHER} (environment)`, profile: undefined },
    {
      env: { AUTHSEC_SERVER: OTHER, AUTHSEC_PROFILE: 'team' },
      server: `${OTHER} (environment)`,
      profile: undefined,
    },
  ])('comes from the environment before the project: $env', async ({ env, server, profile }) => {
    await writeProject({ server: DEV })
    const settled = await settle({ env })
    expect(settled).toMatchObject({ server })
    expect(settled['profile']).toBe(profile)
  })

  test('comes from a flag before all: a profile that is named outranks a server of the environment', async () => {
    const env = { AUTHSEC_SERVER: OTHER, AUTHSEC_TOKEN: 'mine' }
    const { fetch, calls } = stubServer({ 'POST /authsec/authmgr/token/verify': { valid: true } })
    const urls: string[] = []
    await run(['whoami', '--profile', 'team'], {
      env,
      fetch: (input, init) => {
        urls.push(String(input))
        return fetch(input, init)
      },
    })
    expect(calls).toHaveLength(1)
    expect(urls[0]).toMatch(`${TEAM}/`)
  })

  test('is told with who says it', async () => {
    await writeProject({ client_id: 'c' })
    const { stdout } = await run(['config', 'list', '--show-origin'], { env: { AUTHSEC_TENANT: 't' } })
    expect(stdout).toBe(
      [
        `profile\tteam\tprofile\t${home}/config.json`,
        `server\t${TEAM}\tprofile\tprofile team`,
        'tenant_id\tt\tenvironment\tAUTHSEC_TENANT',
        `client_id\tc\tproject\t${home}/project/authsec.config.json`,
        'generation\tP\tprofile\tprofile team',
        '',
      ].join('\n'),
    )
  })
})

describe('a variable with two names', () => {
  test.each([
    { name: 'server', variable: 'AUTHSEC_SERVER', value: OTHER },
    { name: 'server', variable: 'AUTHSEC_BASE_URL', value: OTHER },
    { name: 'client_id', variable: 'AUTHSEC_CLIENT_ID', value: 'c' },
    { name: 'client_id', variable: 'AUTHSEC_AGENT_CLIENT_ID', value: 'c' },
  ])('is told by the one that is set: $variable', async ({ name, variable, value }) => {
    const { stdout } = await run(['config', 'list', '--show-origin'], { env: { [variable]: value } })
    expect(stdout.split('\n')).toContain(`${name}\t${value}\tenvironment\t${variable}`)
  })
})

describe('a project file', () => {
  test.each([
    {
      why: 'holds a session',
      content: { token: 'x' },
      says: /holds "token", which is a secret\nhint: .*withdraw it/,
    },
    {
      why: 'holds a secret',
      content: { client_secret: 'x' },
      says: /holds "client_secret", which is a secret/,
    },
    {
      why: 'holds something else',
      content: { servr: DEV },
      says: /"servr" in .* is not a setting of a project/,
    },
    { why: 'holds no text', content: { server: 1 }, says: /"server" in .* is not a text/ },
    {
      why: 'names no server',
      content: { server: 'http://plain.example' },
      says: /is not the address of a server/,
    },
    { why: 'names an unknown profile', content: { profile: 'prod' }, says: /no profile is named "prod"/ },
  ])('that $why is refused', async ({ content, says }) => {
    await writeProject(content)
    const refused = await run(['config', 'list'])
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })

  test('that is no JSON is refused', async () => {
    await writeProject(undefined, '{')
    expect(await run(['config', 'list'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/not a JSON object/),
    })
  })

  test('sends the session of the environment nowhere, and gets no password', async () => {
    await writeProject({ server: OTHER })
    const { fetch, calls } = stubServer({})
    const asked = await run(['whoami'], { fetch, env: { AUTHSEC_TOKEN: 'mine' } })
    expect(asked).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/warning: AUTHSEC_TOKEN is not sent to https:\/\/other\.example/),
    })
    const login = await run(['login', '--email', 'a@b.test', '--password-stdin'], { fetch, stdin: 'secret' })
    expect(login).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^authsec: only .* names the server/),
    })
    expect(calls).toEqual([])
  })

  test('is not the file of the SDKs', async () => {
    await writeFile(join(project, '.authsec.json'), JSON.stringify({ base_url: OTHER, access_token: 'x' }))
    expect(await settle()).toMatchObject({ server: `${TEAM} (profile)` })
  })
})

describe('authsec config', () => {
  test.each([
    { args: ['get', 'server'], stdout: `${TEAM}\n` },
    { args: ['path'], stdout: /\/config\.json\n$/ },
  ])('$args prints the value alone', async ({ args, stdout }) => {
    expect(await run(['config', ...args])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(stdout),
      stderr: '',
    })
  })

  test('set and unset change the profile in use', async () => {
    expect(await run(['config', 'set', 'client_id', 'c2'])).toMatchObject({ code: 0, stdout: '' })
    expect(await settle()).toMatchObject({ client_id: 'c2 (profile)' })
    await run(['config', 'unset', 'client_id'])
    expect(await settle()).not.toHaveProperty('client_id')
    await run(['config', 'set', 'profile', 'dev'])
    expect(await settle()).toMatchObject({ profile: 'dev (profile)' })
    await run(['config', 'unset', 'profile'])
    expect(await settle()).toMatchObject({ profile: 'dev (default)' })
  })

  test('set --project writes the file of the project, or makes one here', async () => {
    await run(['config', 'set', 'server', `${TEAM}/`, '--project'])
    expect(JSON.parse(await readFile(join(project, 'authsec.config.json'), 'utf8'))).toEqual({ server: TEAM })
    await run(['config', 'set', 'client_id', 'c', '--project'])
    await run(['config', 'unset', 'server', '--project'])
    expect(JSON.parse(await readFile(join(project, 'authsec.config.json'), 'utf8'))).toEqual({
      client_id: 'c',
    })
  })

  test.each([
    { args: ['get', 'sever'], code: 2, says: /"sever" is not a setting\nhint: Settings: profile, server/ },
    { args: ['set', 'generation', 'Z'], code: 2, says: /"Z" is not a generation/ },
    { args: ['set', 'server', 'nonsense'], code: 2, says: /is not the address of a server/ },
    { args: ['set', 'profile', 'nobody'], code: 2, says: /no profile is named "nobody"/ },
    { args: ['set', 'client_id', ''], code: 2, says: /cannot be the client_id/ },
    { args: ['set', 'tenant_id', 'acme'], code: 2, says: /"acme" is not the id of a tenant\nhint: .*UUID/ },
    { args: ['unset', 'server'], code: 2, says: /a profile without a server is none/ },
    { args: ['set', 'generation', 'A', '--project'], code: 2, says: /not a setting of a project/ },
    { args: ['path', '--project'], code: 6, says: /there is no authsec\.config\.json here or above/ },
  ])('$args is refused', async ({ args, code, says }) => {
    expect(await run(['config', ...args])).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(says),
    })
  })
})

describe('authsec profile', () => {
  test('create, use and delete', async () => {
    expect(await run(['profile', 'create', 'new', '--server', `${OTHER}/`])).toMatchObject({
      code: 0,
      stdout: '',
    })
    expect(await run(['profile', 'use', 'new'])).toMatchObject({
      code: 0,
      stderr: `profile new is in use (${OTHER})\n`,
    })
    const { stdout } = await run(['profile', 'list', '--json'])
    expect(JSON.parse(stdout)).toContainEqual({
      name: 'new',
      in_use: true,
      server_url: OTHER,
      session_in: null,
    })
    await run(['profile', 'delete', 'new'])
    expect(await run(['profile', 'show', 'new'])).toMatchObject({ code: 6 })
    expect(await settle()).toMatchObject({ profile: 'dev (default)' })
  })

  test.each(['acme', '', '00000000-0000-0000-0000'])('create refuses the tenant %j', async (tenant) => {
    const args = ['profile', 'create', 'new', '--server', OTHER, '--tenant', tenant]
    expect(await run(args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(`^authsec: "${tenant}" is not the id of a tenant\nhint: .*UUID`),
    })
    expect(await run(['profile', 'show', 'new'])).toMatchObject({ code: 6 })
  })

  test('a tenant is kept in lower case, as tokens say it', async () => {
    const tenant = 'ABCDEF00-0000-4000-8000-00000000000A'
    await run(['profile', 'create', 'new', '--server', OTHER, '--tenant', tenant])
    const { stdout } = await run(['profile', 'show', 'new', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ tenant_id: tenant.toLowerCase() })
    await run(['config', 'set', 'tenant_id', tenant])
    expect(await settle()).toMatchObject({ tenant_id: `${tenant.toLowerCase()} (profile)` })
  })

  test('use says where something stronger disagrees', async () => {
    const used = await run(['profile', 'use', 'dev'], { env: { AUTHSEC_PROFILE: 'team' } })
    expect(used.stderr).toMatch(/warning: AUTHSEC_PROFILE still says otherwise here/)
  })

  test('one that is named beside what is asked for is a matter of configuration', async () => {
    const env = { AUTHSEC_PROFILE: 'nobody' }
    expect(await run(['profile', 'show'], { env })).toMatchObject({ code: 2 })
    expect(await run(['profile', 'show', 'dev'], { env })).toMatchObject({ code: 0 })
  })

  test('list and show print one profile per line, or its facts', async () => {
    expect((await run(['profile', 'list'])).stdout).toBe(
      `dev\t\t${DEV}\t${DEV_TENANT}\t\t\nteam\tyes\t${TEAM}\t${TEAM_TENANT}\tP\t\n`,
    )
    expect((await run(['profile', 'show'])).stdout).toBe(
      `name\tteam\nserver\t${TEAM}\ntenant\t${TEAM_TENANT}\nclient\tclient-team\ngeneration\tP\n`,
    )
  })

  test.each([
    { args: ['create', 'a/b', '--server', OTHER], code: 2, says: /cannot name a profile/ },
    { args: ['create', '__proto__', '--server', OTHER], code: 2, says: /cannot name a profile/ },
    { args: ['create', 'dev', '--server', OTHER], code: 7, says: /there is a profile "dev" already/ },
    {
      args: ['create', 'x', '--server', 'http://plain.example'],
      code: 2,
      says: /is not the address of a server/,
    },
    { args: ['show', 'nobody'], code: 6, says: /no profile is named "nobody"\nhint: Profiles: dev, team\./ },
    { args: ['use', 'nobody'], code: 6, says: /no profile is named "nobody"\nhint: Profiles: dev, team\./ },
    { args: ['delete', 'nobody'], code: 6, says: /no profile is named "nobody"/ },
  ])('$args is refused', async ({ args, code, says }) => {
    expect(await run(['profile', ...args])).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(says),
    })
  })
})
