import { createPublicKey, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { noConnection, stubServer } from '../../../support/stub-server.js'
import {
  AGENT,
  BASE_KEY,
  BILLING,
  CALL_CLAIMS,
  CALL_KEY,
  createKey,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBase,
  signBound,
  signCall,
  signJwt,
  spoilSignature,
  TENANT,
} from '../../../support/token-issuer.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

const METADATA = 'GET /.well-known/oauth-authorization-server'
const CLOCK = { now: () => ISSUED_AT }

function verify(
  token: string,
  args: readonly string[] = [],
  options: RunOptions & { routes?: Parameters<typeof stubServer>[0] } = {},
) {
  const { fetch } = stubServer({ ...issuerRoutes(), ...options.routes })
  return runCli(['token', 'verify', '-', ...args], {
    env: { AUTHSEC_SERVER: ISSUER },
    stdin: `${token}\n`,
    clock: CLOCK,
    fetch,
    ...options,
  })
}

function signByStranger(): string {
  return signJwt({ alg: 'ES256', typ: 'at+jwt', kid: 'call-key' }, CALL_CLAIMS, createKey('ES256').privateKey)
}

describe('authsec token verify --tool --call', () => {
  const bound = ['--audience', BILLING, '--tool', 'refund', '--call']
  const writeArguments = async (args: object) => {
    const file = join(await makeDirectory(), 'arguments.json')
    await writeFile(file, JSON.stringify(args))
    return file
  }

  test('verifies a token that is bound to the very call', async () => {
    const run = await verify(signBound({ invoice: 'i-1' }), [
      ...bound,
      await writeArguments({ invoice: 'i-1' }),
    ])
    expect(run).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([
    { why: 'another call', token: signBound({ invoice: 'i-2' }), says: /call/ },
    { why: 'no call at all', token: signCall({ tool: 'refund' }), says: /bound|bind/ },
    { why: 'another tool', token: signBound({ invoice: 'i-1' }, { tool: 'pay' }), says: /tool/ },
  ])('refuses one for $why with 14', async ({ token, says }) => {
    const run = await verify(token, [...bound, await writeArguments({ invoice: 'i-1' })])
    expect(run).toMatchObject({ code: 14, stderr: expect.stringMatching(says) })
  })

  test.each([
    { why: 'a call of no tool', args: ['--call', 'x'], says: /--call needs --tool/ },
    { why: 'standard input twice', args: ['--tool', 'refund', '--call', '-'], says: /cannot be both/ },
    { why: 'arguments that are none', args: ['--tool', 'refund', '--call', '/dev/null'], says: /^authsec: / },
  ])('refuses $why', async ({ args, says }) => {
    const run = await verify(signBound({}), args)
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })
})

describe('authsec token verify', () => {
  test('lists every check and who acts for whom', async () => {
    const run = await verify(signCall(), ['--audience', BILLING, '--permission', 'billing:read'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^VERIFIED {2}call token\n\n/)
    expect(run.stdout).toMatch(/^ {2}ok {4}format +a signed JWT\n/m)
    expect(run.stdout).toMatch(/^ {2}ok {4}audience +"https:\/\/billing\.example"\n/m)
    expect(run.stdout).toMatch(/^ {2}ok {4}permissions +billing:read\n/m)
    expect(run.stdout).toMatch(/^ {2}- {5}tool +none is expected\n/m)
    expect(run.stdout).not.toContain('FAIL')
    expect(run.stdout.endsWith(`\n\n  for user  alice\n  by agent  ${AGENT}  client c1\n`)).toBe(true)
  })

  test('says the same as one object with --json', async () => {
    const run = await verify(signCall(), ['--audience', BILLING, '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const report = JSON.parse(run.stdout)
    expect(Object.keys(report)).toEqual([
      'verified',
      'checks',
      'profile',
      'header',
      'claims',
      'chain',
      'stripped',
    ])
    expect(report).toMatchObject({
      verified: true,
      profile: 'call',
      claims: { aud: BILLING },
      chain: [
        { role: 'for', id: 'alice' },
        { role: 'by', id: AGENT, client_id: 'c1' },
      ],
    })
    expect(report.checks[0]).toEqual({ name: 'format', outcome: 'ok', detail: 'a signed JWT' })
  })

  test('accepts a base token too, by the key of its tenant', async () => {
    const run = await verify(signBase(), ['--audience', BILLING])
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^VERIFIED {2}base token\n/) })
  })

  test('says loudly that an audience was not checked', async () => {
    const run = await verify(signCall())
    expect(run).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/audience +NOT CHECKED, because --audience is not given/),
    })
  })

  test('reads a file, and takes off what is wrapped around the token', async () => {
    const file = join(await makeDirectory(), 'token')
    await writeFile(file, `Bearer ${signCall()}\n`)
    const { fetch } = stubServer(issuerRoutes())
    const run = await runCli(['token', 'verify', file], {
      clock: CLOCK,
      env: { AUTHSEC_SERVER: ISSUER },
      fetch,
    })
    expect(run).toMatchObject({ code: 0, stderr: 'stripped from the token: "Bearer"\n' })
  })

  test.each([
    { what: 'garbage', token: 'garbage', stderr: /^authsec: not a JWT: 1 part instead of three\nhint: / },
    { what: 'nothing', token: '', stderr: /^authsec: the token is empty\nhint: / },
    {
      what: 'half a header',
      token: 'eyJhb.AAAA.AAAA',
      stderr: /^authsec: the header of the token is unreadable.*\nhint: Check that all/,
    },
  ])('asks nobody about $what', async ({ token, stderr }) => {
    const run = await runCli(['token', 'verify'], { stdin: token })
    expect(run).toMatchObject({ code: 16, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test.each([
    { leeway: '5s', age: 4, code: 0 },
    { leeway: '5s', age: 5, code: 11 },
    { leeway: '0', age: 0, code: 11 },
    { leeway: '6s', age: 0, code: 2 },
  ])('with a leeway of $leeway and $age seconds after the end is $code', async ({ leeway, age, code }) => {
    const exp = ISSUED_AT / 1000 - age
    const token = signCall({ iat: exp - 60, nbf: exp - 60, exp })
    expect(await verify(token, ['--leeway', leeway])).toMatchObject({ code })
  })

  const call = (changes = {}) => signCall(changes)
  const seconds = ISSUED_AT / 1000

  test.each([
    {
      why: 'another audience',
      token: call(),
      args: ['--audience', 'https://profile.example'],
      code: 14,
      stderr: /^authsec: the audience is "https:\/\/billing\.example", not "https:\/\/profile\.example"\n$/,
    },
    {
      why: 'a missing permission',
      token: call(),
      args: ['--permission', 'billing:refund'],
      code: 14,
      stderr: /does not carry billing:refund\nhint: /,
    },
    {
      why: 'a flipped bit',
      token: spoilSignature(call()),
      args: [],
      code: 13,
      stderr: /no trusted key made the signature/,
    },
    {
      why: 'the key of a stranger',
      token: signByStranger(),
      args: [],
      code: 13,
      stderr: /no trusted key/,
    },
    {
      why: 'no algorithm',
      token: formatUnsignedJwt({ alg: 'none', typ: 'at+jwt' }, {}),
      args: [],
      code: 13,
      stderr: /algorithm/,
    },
    {
      why: 'its end, without leeway',
      token: call({ iat: seconds - 60, nbf: seconds - 60, exp: seconds }),
      args: [],
      code: 11,
      stderr: /^authsec: the token expired now\nhint: Get a new one/,
    },
    {
      why: 'its beginning',
      token: call({ iat: seconds + 30, nbf: seconds + 30, exp: seconds + 60 }),
      args: [],
      code: 12,
      stderr: /the token begins in 30 seconds/,
    },
    {
      why: 'another issuer',
      token: call({ iss: 'https://evil.example' }),
      args: [],
      code: 14,
      stderr: /issuer/,
    },
    { why: 'another tenant', token: call({ tenant_id: 'tenant-2' }), args: [], code: 14, stderr: /tenant/ },
    {
      why: 'being a base token where a call token is asked for',
      token: signBase(),
      args: ['--typ', 'at+jwt'],
      code: 14,
      stderr: /^authsec: the type is "JWT", not "at\+jwt"\n$/,
    },
    {
      why: 'being a call token where a base token is asked for',
      token: call(),
      args: ['--typ', 'JWT'],
      code: 14,
      stderr: /^authsec: the type is "at\+jwt", not "JWT"\n$/,
    },
    {
      why: 'another algorithm, told once',
      token: call(),
      args: ['--alg', 'RS256'],
      code: 13,
      stderr: /^authsec: the algorithm is "ES256", allowed is RS256\n$/,
    },
  ])('refuses a token for $why', async ({ token, args, code, stderr }) => {
    const run = await verify(token, args)
    expect(run).toMatchObject({
      code,
      stdout: expect.stringMatching(/^NOT VERIFIED\n\n/),
      stderr: expect.stringMatching(stderr),
    })
  })

  test.each([
    {
      failing: 'signature, audience and expiry',
      token: spoilSignature(call({ iat: seconds - 90, nbf: seconds - 90, exp: seconds - 30 })),
      args: ['--audience', 'x'],
      code: 13,
    },
    {
      failing: 'audience and expiry',
      token: call({ iat: seconds - 90, nbf: seconds - 90, exp: seconds - 30 }),
      args: ['--audience', 'x'],
      code: 14,
    },
    {
      failing: 'beginning and expiry',
      token: call({ iat: seconds - 90, nbf: seconds + 90, exp: seconds - 30 }),
      args: [],
      code: 12,
    },
  ])('with $failing wrong lists all and ends with $code, also with --json', async ({ token, args, code }) => {
    const text = await verify(token, args)
    expect(text.code).toBe(code)
    expect(text.stdout).toMatch(/FAIL {2}(?:audience [\s\S]*FAIL {2}expiry|expiry [\s\S]*FAIL {2}start) /)
    const json = await verify(token, [...args, '--json'])
    expect(json.code).toBe(code)
    expect(JSON.parse(json.stdout).verified).toBe(false)
    expect(JSON.parse(json.stderr).error.hint).toContain('expiry')
  })

  test.each([
    { why: 'nobody answers', routes: { [METADATA]: noConnection() }, code: 20 },
    { why: 'the answer is a page', routes: { [METADATA]: new Response('<html>') }, code: 21 },
    {
      why: 'the keys cannot be had',
      routes: { 'GET /oauth/jwks': new Response('', { status: 500 }) },
      code: 21,
    },
  ])('says nothing about the token when $why', async ({ routes, code }) => {
    expect(await verify(call(), [], { routes })).toMatchObject({ code, stdout: '' })
  })

  describe('offline', () => {
    async function keyFile(content: unknown): Promise<string> {
      const file = join(await makeDirectory(), 'keys.json')
      await writeFile(file, JSON.stringify(content))
      return file
    }

    test.each([
      { what: 'a key set', content: { keys: [CALL_KEY.jwk] } },
      { what: 'one key', content: CALL_KEY.jwk },
    ])('believes $what in a file for one issuer', async ({ content }) => {
      const args = ['--issuer', ISSUER, '--jwks', await keyFile(content), '--audience', BILLING]
      const run = await runCli(['token', 'verify', ...args], { clock: CLOCK, stdin: call() })
      expect(run).toMatchObject({ code: 0, stderr: '' })
    })

    test('believes the key of a tenant for base tokens', async () => {
      const args = ['--typ', 'JWT', '--jwks', await keyFile({ keys: [BASE_KEY.jwk] })]
      const run = await runCli(['token', 'verify', ...args], {
        clock: CLOCK,
        stdin: signBase(),
        env: { AUTHSEC_TENANT: TENANT },
      })
      expect(run).toMatchObject({ code: 0, stderr: '' })
    })

    test.each([
      {
        why: 'keys have no issuer',
        args: ['--jwks', 'KEYS'],
        content: { keys: [] },
        code: 2,
        stderr: /--jwks needs --issuer/,
      },
      {
        why: 'the file is no key set',
        args: ['--issuer', ISSUER, '--jwks', 'KEYS'],
        content: {},
        code: 2,
        stderr: /is not a key set/,
      },
      {
        why: 'the file holds no JSON object',
        args: ['--issuer', ISSUER, '--jwks', 'KEYS'],
        content: 1,
        code: 2,
        stderr: /is not a JSON object/,
      },
      {
        why: 'there is no file',
        args: ['--issuer', ISSUER, '--jwks', '/nowhere/keys.json'],
        content: {},
        code: 6,
        stderr: /there is no file/,
      },
      {
        why: 'a server is named too',
        args: ['--issuer', ISSUER, '--server', ISSUER],
        content: {},
        code: 2,
        stderr: /--server is given together with/,
      },
    ])('is refused when $why', async ({ args, content, code, stderr }) => {
      const file = await keyFile(content)
      const run = await runCli(['token', 'verify', ...args.map((arg) => (arg === 'KEYS' ? file : arg))], {
        stdin: call(),
      })
      expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
    })
  })

  test('takes the server of --issuer at its word only for itself', async () => {
    const routes = {
      [METADATA]: {
        issuer: 'https://evil.example',
        jwks_uri: 'https://evil.example/keys',
        authsec_tenant: 't',
      },
    }
    const { fetch } = stubServer({ ...issuerRoutes(), ...routes })
    const run = await runCli(['token', 'verify', '--issuer', 'https://auth.example'], {
      stdin: call({ iss: 'https://auth.example' }),
      fetch,
    })
    expect(run).toMatchObject({
      code: 21,
      stdout: '',
      stderr: expect.stringContaining('is not on https://auth.example'),
    })
  })

  test.each([{ args: [] }, { args: ['--tool', 'refund', '--online'] }, { args: ['--typ', 'at+jwt'] }])(
    'asks nobody about a token that is plainly not of the issuer named, with $args',
    async ({ args }) => {
      const { fetch, calls } = stubServer({})
      const run = await runCli(['token', 'verify', '--issuer', 'https://auth.example', ...args], {
        clock: CLOCK,
        stdin: call(),
        fetch,
      })
      expect(run).toMatchObject({
        code: 14,
        stdout: expect.stringMatching(/- +signature +the token is of another issuer/),
        stderr: expect.stringContaining(`the issuer is "${ISSUER}", not "https://auth.example"`),
      })
      expect(calls).toEqual([])
    },
  )

  test.each([
    {
      why: 'an error',
      metadata: { error: 'It is\u001b[2J asleep' },
      says: 'an error to /.well-known/oauth-authorization-server: It is\\u001b[2J asleep',
    },
    { why: 'nothing', metadata: {}, says: 'name no issuer' },
    { why: 'a number', metadata: { issuer: 5 }, says: 'name no issuer' },
  ])('says so where a server answers $why about itself', async ({ metadata, says }) => {
    const env = { AUTHSEC_SERVER: ISSUER, AUTHSEC_TENANT: TENANT }
    const run = await verify(call(), [], { routes: { [METADATA]: metadata }, env })
    expect(run).toMatchObject({ code: 21, stdout: '', stderr: expect.stringContaining(says) })
  })

  test('believes no base token of a server that names no tenant', async () => {
    const routes = { [METADATA]: { issuer: ISSUER, jwks_uri: `${ISSUER}/oauth/jwks` } }
    expect(await verify(call(), [], { routes })).toMatchObject({ code: 0 })
    expect(await verify(signBase(), [], { routes })).toMatchObject({ code: 14 })
  })

  describe('--key', () => {
    const pem = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string

    test.each([
      { what: 'PEM', content: pem(CALL_KEY.privateKey), token: signCall(), code: 0 },
      {
        what: 'a JWK of another name',
        content: { ...CALL_KEY.jwk, kid: 'other' },
        token: signCall(),
        code: 0,
      },
      { what: 'the key of the tenant', content: pem(BASE_KEY.privateKey), token: signBase(), code: 0 },
      {
        what: 'the key of a stranger',
        content: pem(createKey('ES256').privateKey),
        token: signCall(),
        code: 13,
      },
      { what: 'the private JWK', content: { ...CALL_KEY.jwk, d: 'AA' }, token: signCall(), code: 0 },
      { what: 'a shared secret', content: { kty: 'oct', k: 'AAAA' }, token: signCall(), code: 2 },
      { what: 'a key set', content: { keys: [CALL_KEY.jwk] }, token: signCall(), code: 2 },
      { what: 'PEM that is none', content: '-----BEGIN PUBLIC KEY-----\nAAAA\n', token: signCall(), code: 2 },
      { what: 'no key at all', content: {}, token: signCall(), code: 2 },
    ])('with $what is $code', async ({ content, token, code }) => {
      const file = join(await makeDirectory(), 'key')
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
      const run = await runCli(['token', 'verify', '-', '--key', file, '--audience', BILLING], {
        clock: CLOCK,
        stdin: token,
      })
      expect(run).toMatchObject({ code })
      if (code === 0) expect(run.stdout).toMatch(/issuer +NOT CHECKED, because --issuer is not given/)
      if (code === 2) expect(run.stdout).toBe('')
    })

    test('still holds the token to the issuer that is named', async () => {
      const file = join(await makeDirectory(), 'key')
      await writeFile(file, pem(CALL_KEY.privateKey))
      const args = ['token', 'verify', '-', '--key', file, '--issuer', 'https://other.example']
      expect(await runCli(args, { clock: CLOCK, stdin: signCall() })).toMatchObject({ code: 14 })
    })
  })

  test('judges a token as of another time', async () => {
    const old = signCall({ iat: seconds - 3600, nbf: seconds - 3600, exp: seconds - 3540 })
    expect(await verify(old)).toMatchObject({ code: 11 })
    const then = await verify(old, ['--at', '1h'])
    expect(then).toMatchObject({ code: 0, stdout: expect.stringMatching(/time +as of 2026-11-24T08:00:00Z/) })
    expect(await verify(signCall(), ['--at', '2h'])).toMatchObject({ code: 12 })
    expect(await verify(signCall(), ['--at', 'noon'])).toMatchObject({ code: 2, stdout: '' })
  })

  describe('--online', () => {
    const env = { AUTHSEC_SERVER: ISSUER, AUTHSEC_TOKEN: 'admin-session' }
    const online = (active: object) =>
      verify(signCall(), ['--online'], { env, routes: { 'POST /oauth/introspect': active } })

    test.each([
      { why: 'alive', answer: { active: true }, code: 0 },
      { why: 'revoked', answer: { active: false }, code: 15 },
      { why: 'of another shape', answer: { active: 'yes' }, code: 21 },
    ])('a token that is $why ends with $code', async ({ answer, code }) => {
      expect(await online(answer)).toMatchObject({ code })
    })

    test('comes after what the token itself says, and before its end', async () => {
      const routes = { 'POST /oauth/introspect': { active: false } }
      const ended = signCall({ iat: seconds - 60, nbf: seconds - 60, exp: seconds })
      expect(await verify(ended, ['--online'], { env, routes })).toMatchObject({ code: 15 })
      expect(await verify(ended, ['--online', '--audience', 'x'], { env, routes })).toMatchObject({
        code: 14,
      })
    })

    test('needs a session, and a server that can tell', async () => {
      expect(await verify(signCall(), ['--online'])).toMatchObject({ code: 4, stdout: '' })
      expect(await verify(signCall(), ['--online'], { env })).toMatchObject({ code: 7, stdout: '' })
    })
  })

  test('annotates for GitHub, and lets no claim begin a command of its own', async () => {
    const run = await verify(signCall({ iss: 'x\n::add-mask::y%0A' }), [
      '--report',
      'github',
      '--audience',
      'a',
    ])
    expect(run.code).toBe(14)
    expect(run.stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(
        /^::error title=authsec token verify::issuer: the issuer is "x\\u000a::add-mask::y%250A"/,
      ),
      expect.stringMatching(/^::error title=authsec token verify::audience: /),
    ])
    expect(await verify(signCall(), ['--report', 'github', '--json'])).toMatchObject({ code: 2, stdout: '' })
  })

  test.each([
    { flag: ['--alg', 'HS256'], stderr: /"HS256" cannot be allowed/ },
    { flag: ['--alg', 'none'], stderr: /"none" cannot be allowed/ },
    { flag: ['--require', '=x'], stderr: /is not a requirement/ },
    { flag: ['--key', 'a', '--jwks', 'b'], stderr: /--jwks is given together with --key/ },
  ])('refuses $flag', async ({ flag, stderr }) => {
    expect(await verify(signCall(), flag)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(stderr),
    })
  })
})
