import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { EXIT_MEANINGS } from '../../src/cli/exit-codes.js'
import { AuthsecError } from '../../src/core/errors.js'
import { NOW, type RunOptions, runCli } from '../support/run-cli.js'
import { createBundleFiles, createLogKey, createLogRecord, writeFiles } from '../support/sealed-bundle.js'
import { ADMIN, answer, CLIENT_ID, noConnection, stubServer } from '../support/stub-server.js'
import { ISSUED_AT, ISSUER, issuerRoutes, signCall } from '../support/token-issuer.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const iat = ISSUED_AT / 1000
const ended = { iat: iat - 60, nbf: iat - 60, exp: iat }
const begins = { iat: iat + 30, nbf: iat + 30, exp: iat + 60 }
const flip = (token: string) => `${token.slice(0, -10)}${token.at(-10) === 'A' ? 'B' : 'A'}${token.slice(-9)}`

const LIST = 'GET /admin/resources'
const serve = (routes: Parameters<typeof stubServer>[0]) => ({ env: ADMIN, fetch: stubServer(routes).fetch })
const check = (token: string, routes: Parameters<typeof stubServer>[0] = {}): RunOptions => ({
  env: { AUTHSEC_SERVER: ISSUER, AUTHSEC_TOKEN: 'admin-session' },
  clock: { now: () => ISSUED_AT },
  stdin: token,
  fetch: stubServer({ ...issuerRoutes(), ...routes }).fetch,
})
const slow = () => Promise.reject(Object.assign(new Error('slow'), { name: 'TimeoutError' }))
const pressed = (code: 'interrupted' | 'terminated') => AbortSignal.abort(new AuthsecError(code, code))
const CAN = ['token', 'can', 'billing:refund']
const VERIFY = ['token', 'verify', '-']
const INACTIVE = { 'POST /oauth/introspect': { active: false } }

/** An answer that no server can send, so that whatever reads it breaks. */
const broken = async () => ({ headers: null }) as unknown as Response
const LOG_KEY = createLogKey()
const bundle = mkdtempSync(join(tmpdir(), 'authsec-exit-codes-'))
const VERIFY_LOG = ['audit', 'verify', bundle]

/** A way to every exit code there is. */
const WAYS: readonly { code: number; args: readonly string[]; options: RunOptions }[] = [
  { code: 0, args: VERIFY, options: check(signCall()) },
  { code: 1, args: ['resource', 'list'], options: { env: ADMIN, fetch: broken } },
  { code: 2, args: ['resource', 'delete', 'https://a.example'], options: { env: ADMIN } },
  { code: 4, args: ['client', 'list'], options: { env: { AUTHSEC_SERVER: ISSUER } } },
  { code: 5, args: ['resource', 'list'], options: serve({ [LIST]: answer(403, { error: 'no' }) }) },
  { code: 6, args: ['resource', 'show', 'https://a.example'], options: serve({}) },
  { code: 7, args: ['client', 'rotate', CLIENT_ID, '--overlap', '1h'], options: serve(rotation()) },
  { code: 8, args: ['login', '--server', ISSUER], options: login() },
  { code: 10, args: CAN, options: { stdin: signCall() } },
  { code: 11, args: VERIFY, options: check(signCall(ended)) },
  { code: 12, args: VERIFY, options: check(signCall(begins)) },
  { code: 13, args: VERIFY, options: check(flip(signCall())) },
  { code: 14, args: [...VERIFY, '--audience', 'x'], options: check(signCall()) },
  { code: 15, args: [...VERIFY, '--online'], options: check(signCall(), INACTIVE) },
  { code: 16, args: VERIFY, options: { stdin: 'x' } },
  { code: 17, args: ['token', 'lint'], options: { stdin: signCall({ email: 'a' }) } },
  { code: 18, args: [...VERIFY_LOG, '--key', createLogKey().text], options: {} },
  { code: 19, args: VERIFY_LOG, options: {} },
  { code: 20, args: ['resource', 'list'], options: serve({ [LIST]: noConnection() }) },
  { code: 21, args: ['resource', 'list'], options: serve({ [LIST]: answer(500, { error: 'no' }) }) },
  { code: 22, args: ['resource', 'list'], options: serve({ [LIST]: answer(429, { error: 'no' }) }) },
  { code: 23, args: ['resource', 'list'], options: { env: ADMIN, fetch: slow } },
  { code: 125, args: ['exec', '--', '/nowhere/at-all'], options: exec() },
  { code: 130, args: VERIFY, options: { stdin: signCall(), signal: pressed('interrupted') } },
  { code: 143, args: VERIFY, options: { stdin: signCall(), signal: pressed('terminated') } },
]

beforeAll(async () => {
  await writeFiles(bundle, createBundleFiles([createLogRecord(0)], [LOG_KEY]))
  return () => rmSync(bundle, { recursive: true, force: true })
})

describe('the exit codes', () => {
  test.each(WAYS)('$code is how authsec $args ends', async ({ code, args, options }) => {
    const run = await runCli(args, options)
    expect(run).toMatchObject({ code })
    // What stands behind -- is another program's, and exec prints nothing of its own.
    if (args.includes('--')) return
    const json = await runCli([...args, '--json'], options)
    expect(json.code).toBe(code)
  })

  test('are all in the table, and each of the table can be had', () => {
    expect(WAYS.map(({ code }) => code)).toEqual(Object.keys(EXIT_MEANINGS).map(Number))
  })
})

describe('several failures of one token', () => {
  const others = { ...ended, aud: 'https://other.example' }
  test.each([
    { failing: 'format', token: 'x.y', args: ['--online'], code: 16 },
    { failing: 'signature, audience, revocation, end', token: flip(signCall(others)), args: [], code: 13 },
    { failing: 'audience, revocation, end', token: signCall(others), args: [], code: 14 },
    { failing: 'revocation, end', token: signCall({ ...ended }), args: [], code: 15 },
    { failing: 'revocation, beginning', token: signCall({ ...begins }), args: [], code: 15 },
    { failing: 'end', token: signCall({ ...ended }), args: [], active: true, code: 11 },
    { failing: 'beginning', token: signCall({ ...begins }), args: [], active: true, code: 12 },
  ])(
    'with $failing wrong end with $code, and each is listed',
    async ({ failing, token, args, active, code }) => {
      const routes = { 'POST /oauth/introspect': { active: active === true } }
      const flags = ['--online', '--audience', 'https://billing.example', ...args]
      const run = await runCli([...VERIFY, ...flags], check(token, routes))
      expect(run.code).toBe(code)
      const failed = [...run.stdout.matchAll(/^ {2}FAIL {2}/gm)]
      expect(failed).toHaveLength(code === 16 ? 0 : failing.split(', ').length)
    },
  )
})

function rotation(): Parameters<typeof stubServer>[0] {
  const tenant = ADMIN['AUTHSEC_TENANT']
  const client = { client_id: CLIENT_ID, name: 'app' }
  return {
    [`GET /authsec/clientms/tenants/${tenant}/clients/${CLIENT_ID}`]: client,
    [`POST /admin/clients/${CLIENT_ID}/rotate-secret`]: answer(409, { error: 'client "app" has no secret' }),
  }
}

// The code has expired before anybody could enter it.
function login(): RunOptions {
  const [path, address] = ['/authsec/uflow/auth/device', 'https://app.authsec.example/activate']
  const code = { device_code: 'd'.repeat(64), user_code: 'WDJB-MJHT', expires_in: 1, interval: 1 }
  const { fetch } = stubServer({
    'GET /authsec/clientms/health': { status: 'healthy', service: 'clients-microservice' },
    [`POST ${path}/code`]: { ...code, verification_uri: address, verification_uri_complete: address },
    [`POST ${path}/token`]: answer(400, { error: 'expired_token', error_description: 'too late' }),
  })
  return { fetch }
}

function exec(): RunOptions {
  const { fetch } = stubServer({
    'GET /authsec/uflow/sdk/delegation-token': {
      token: formatUnsignedJwt({ alg: 'RS256' }, { sub: 'agent' }),
      expires_at: new Date(NOW + 3_600_000).toISOString(),
      permissions: ['billing:read'],
      audience: ['authsec-api'],
      ttl_seconds: 3600,
    },
  })
  return { env: { AUTHSEC_SERVER: ISSUER, AUTHSEC_CLIENT_ID: CLIENT_ID }, fetch }
}
