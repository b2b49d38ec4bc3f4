import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type IdentityIssuer,
  JOB,
  REQUEST_TOKEN,
  startIdentityIssuer,
} from '../../../support/identity-issuer.js'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { BILLING, startTestServer, type TestServer } from '../../../support/running-server.js'

const SUBJECT = 'repo:acme/shop:ref:refs/heads/*'

let server: TestServer
let issuer: IdentityIssuer
beforeAll(async () => {
  server = await startTestServer()
  issuer = await startIdentityIssuer(() => server.now, server.url)
  const rule = [
    'trust',
    'create',
    'deploy',
    '--client',
    'demo-agent',
    '--issuer',
    issuer.url,
    '--subject',
    SUBJECT,
  ]
  const made = await run([...rule, '--claim', 'environment=production', '--json'], { env: admin() })
  expect(made).toMatchObject({ code: 0, stderr: '' })
})
afterAll(async () => {
  await issuer.close()
  await server.close()
})

const job = () => ({ AUTHSEC_SERVER: server.url, AUTHSEC_CLIENT_ID: server.clientId })
const admin = () => ({ ...job(), AUTHSEC_TOKEN: server.adminToken })
const run = (args: readonly string[], options: RunOptions = {}) =>
  runCli(args, { fetch: globalThis.fetch, clock: { now: () => server.now }, env: job(), ...options })
const oidc = (args: readonly string[], options: RunOptions = {}) => run(['ci', 'oidc', ...args], options)

describe('authsec ci oidc', () => {
  test('in a job of GitHub masks, prints the call token and nothing else, and writes the summary', async () => {
    const summary = join(await makeDirectory(), 'summary.md')
    const env = { ...job(), ...issuer.jobVariables, GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary }
    const { code, stdout, stderr } = await oidc(['--audience', BILLING, '--permission', 'billing:read'], {
      env,
    })
    expect(code).toBe(0)
    expect(decodeJwt(stdout.trim())).toMatchObject({
      aud: BILLING,
      scope: 'billing:read',
      sub: server.user.id,
    })
    const [identityMask, callMask] = stderr.trim().split('\n')
    expect(decodeJwt(identityMask?.replace('::add-mask::', '') ?? '')).toMatchObject({
      sub: JOB.sub,
      aud: server.url,
    })
    expect(callMask).toBe(`::add-mask::${stdout.trim()}`)
    const written = await readFile(summary, 'utf8')
    expect(written).toContain('| permissions | `billing:read` |')
    expect(written + stdout).not.toContain(REQUEST_TOKEN)
    expect(written).not.toMatch(/eyJ/)
  })

  test('in a job of GitLab takes the token that the job was given, and the token verifies', async () => {
    const env = { ...job(), AUTHSEC_ID_TOKEN: issuer.sign() }
    const { code, stdout } = await oidc(['--audience', BILLING], { env })
    expect(code).toBe(0)
    expect(await run(['token', 'verify', '-', '--audience', BILLING], { stdin: stdout })).toMatchObject({
      code: 0,
    })
  })

  test('says in a job why it got nothing, as an annotation and in the summary', async () => {
    const summary = join(await makeDirectory(), 'summary.md')
    const env = { ...job(), GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary }
    const stdin = issuer.sign({ environment: 'test | `x`' })
    const { code, stdout, stderr } = await oidc(['--audience', BILLING, '--identity', '-'], { env, stdin })
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
    expect(stderr).toMatch(
      /^::error title=authsec ci oidc::no trust rule matches: .deploy. wants another environment/m,
    )
    expect(stderr).toMatch(/^authsec: no trust rule matches/m)
    expect(await readFile(summary, 'utf8')).toContain('### No delegation token')
  })

  test.each([
    {
      why: 'has no identity',
      variables: () => job(),
      says: /^::error title=authsec ci oidc::this job has no /,
    },
    {
      why: 'knows no server',
      variables: () => ({}),
      says: /^::error title=authsec ci oidc::no server is given/,
    },
  ])('says so in a job that $why', async ({ variables, says }) => {
    const summary = join(await makeDirectory(), 'summary.md')
    const env = { ...variables(), GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary }
    const { code, stderr } = await oidc(['--audience', BILLING], { env })
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) })
    expect(await readFile(summary, 'utf8')).toContain('### No delegation token')
  })

  test.each([
    {
      why: 'there is no identity',
      args: ['--audience', BILLING],
      env: {},
      code: 2,
      says: /this job has no identity token\nhint: In GitHub Actions .*id-token: write.*\n/,
    },
    { why: 'no API is named', args: [], env: {}, code: 2, says: /--audience is missing/ },
    {
      why: "rules of one's own shall decide",
      args: ['--audience', BILLING, '--rules', 'rules.json'],
      env: {},
      code: 2,
      says: /--rules needs --explain/,
    },
    {
      why: 'a token shall be explained away',
      args: ['--explain', '--out', 'token'],
      env: {},
      code: 2,
      says: /'--explain' cannot be used with option '--out <file>'/,
    },
    {
      why: 'GitHub refuses',
      args: ['--audience', BILLING],
      env: { ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'planted-wrong-token' },
      code: 4,
      says: /GitHub gave no identity token: .*\nhint: In GitHub Actions/,
    },
    {
      why: 'GitHub is somewhere unsafe',
      args: ['--audience', BILLING],
      env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'http://github.example/?a=b' },
      code: 2,
      says: /"http:\/\/github\.example\/\?a=b" is not the address of a server/,
    },
    {
      why: 'the identity is no token',
      args: ['--audience', BILLING, '--identity', '-'],
      env: {},
      code: 16,
      says: /not a JWT|JWT/,
    },
  ])('fails where $why', async ({ args, env, code, says }) => {
    const variables =
      'ACTIONS_ID_TOKEN_REQUEST_TOKEN' in env || 'ACTIONS_ID_TOKEN_REQUEST_URL' in env
        ? issuer.jobVariables
        : {}
    const failed = await oidc(args, {
      env: { ...job(), ...variables, ...(env as object) },
      stdin: 'nonsense',
    })
    expect(failed).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) })
    expect(failed.stderr).not.toMatch(/planted/)
  })
})

describe('authsec ci oidc --explain', () => {
  test('tells an admin field by field what does not match, and exits 14', async () => {
    const stdin = issuer.sign({ sub: 'repo:acme/shop:pull_request', environment: undefined })
    const { code, stdout } = await oidc(['--explain', '--identity', '-'], { env: admin(), stdin })
    expect(code).toBe(14)
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      `deploy (client ${server.clientId}): does not match`,
      ` ok iss "${issuer.url}"`,
      ` ok aud "${server.url}"`,
      ` differs sub "repo:acme/shop:pull_request", not "${SUBJECT}"`,
      ' differs environment the token does not say, not "production"',
      '',
    ])
  })

  test('does so without a server where the rules and the identity are files', async () => {
    const directory = await makeDirectory()
    const rules = join(directory, 'rules.json')
    await writeFile(rules, (await run(['trust', 'list', '--json'], { env: admin() })).stdout)
    const args = ['--explain', '--rules', rules, '--identity', '-', '--json']
    const { code, stdout } = await oidc(args, { env: {}, stdin: issuer.sign(), fetch: refuse })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      verified: false,
      matches: true,
      identity: { iss: issuer.url, sub: JOB.sub },
      rules: [
        { name: 'deploy', matches: true, fields: [{ field: 'iss' }, { field: 'aud' }, { field: 'sub' }, {}] },
      ],
    })
  })

  test('says once which profile it uses', async () => {
    const configuration = await makeDirectory()
    const env = { AUTHSEC_CONFIG_DIR: configuration }
    await run(['profile', 'create', 'dev', '--server', server.url], { env })
    const { code, stderr } = await oidc(['--explain'], {
      env: { ...env, ...issuer.jobVariables, AUTHSEC_TOKEN: server.adminToken },
    })
    expect(code).toBe(0)
    expect(stderr.match(/using profile/g)).toHaveLength(1)
  })

  test('says what is missing where nobody is logged in', async () => {
    const failed = await oidc(['--explain', '--identity', '-'], { stdin: issuer.sign() })
    expect(failed).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringMatching(/\nhint: .*--rules\.\n/),
    })
  })

  test('prints nothing that a hostile token could say to a terminal', async () => {
    const stdin = issuer.sign({ sub: 'a\u001b[2J\u202eb' })
    const { stdout } = await oidc(['--explain', '--identity', '-'], { env: admin(), stdin, tty: true })
    expect(stdout).toContain('a\\u001b[2J\\u202eb')
  })
})

describe('the trust rules', () => {
  test('are shown, listed and deleted once that is confirmed', async () => {
    const env = admin()
    const create = [
      'trust',
      'create',
      'old',
      '--client',
      server.clientId,
      '--issuer',
      issuer.url,
      '--subject',
      'a',
    ]
    expect(await run(create, { env })).toMatchObject({ code: 0 })
    expect(await run(create, { env })).toMatchObject({ code: 7 })
    expect((await run(['trust', 'show', 'old'], { env })).stdout).toContain(`iss\t${issuer.url}\n`)
    expect((await run(['trust', 'list'], { env })).stdout).toContain(`old\t${server.clientId}\t`)
    expect(await run(['trust', 'delete', 'old'], { env })).toMatchObject({ code: 2, stdout: '' })
    const dry = await run(['trust', 'delete', 'old', '--dry-run', '--json'], { env })
    expect(JSON.parse(dry.stdout).stops).toEqual([{ kind: 'trust', id: server.clientId, detail: 'a' }])
    expect(await run(['trust', 'delete', 'old', '--confirm', 'old'], { env })).toMatchObject({ code: 0 })
    expect(await run(['trust', 'show', 'old'], { env })).toMatchObject({ code: 6 })
  })

  test.each([
    { why: 'everybody', args: ['--subject', '**'], says: /begins with a star/ },
    {
      why: 'no claim',
      args: ['--subject', 'a', '--claim', 'environment'],
      says: /is not a claim and its pattern/,
    },
  ])('are refused for $why', async ({ args, says }) => {
    const create = ['trust', 'create', 'x', '--client', server.clientId, '--issuer', issuer.url, ...args]
    expect(await run(create, { env: admin() })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(says),
    })
  })
})

async function refuse(): Promise<never> {
  throw new Error('nobody is to be called')
}
