import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { stubServer } from '../../../support/stub-server.js'
import {
  AGENT,
  BILLING,
  CALL_CLAIMS,
  createKey,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBase,
  signBound,
  signCall,
  signJwt,
  spoilSignature,
} from '../../../support/token-issuer.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

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

  const seconds = ISSUED_AT / 1000

  test.each([
    {
      why: 'another audience',
      token: signCall(),
      args: ['--audience', 'https://profile.example'],
      code: 14,
      stderr: /^authsec: the audience is "https:\/\/billing\.example", not "https:\/\/profile\.example"\n$/,
    },
    {
      why: 'a missing permission',
      token: signCall(),
      args: ['--permission', 'billing:refund'],
      code: 14,
      stderr: /does not carry billing:refund\nhint: /,
    },
    {
      why: 'a flipped bit',
      token: spoilSignature(signCall()),
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
      token: signCall({ iat: seconds - 60, nbf: seconds - 60, exp: seconds }),
      args: [],
      code: 11,
      stderr: /^authsec: the token expired now\nhint: Get a new one/,
    },
    {
      why: 'its beginning',
      token: signCall({ iat: seconds + 30, nbf: seconds + 30, exp: seconds + 60 }),
      args: [],
      code: 12,
      stderr: /the token begins in 30 seconds/,
    },
    {
      why: 'another issuer',
      token: signCall({ iss: 'https://evil.example' }),
      args: [],
      code: 14,
      stderr: /issuer/,
    },
    {
      why: 'another tenant',
      token: signCall({ tenant_id: 'tenant-2' }),
      args: [],
      code: 14,
      stderr: /tenant/,
    },
    {
      why: 'being a base token where a call token is asked for',
      token: signBase(),
      args: ['--typ', 'at+jwt'],
      code: 14,
      stderr: /^authsec: the type is "JWT", not "at\+jwt"\n$/,
    },
    {
      why: 'being a call token where a base token is asked for',
      token: signCall(),
      args: ['--typ', 'JWT'],
      code: 14,
      stderr: /^authsec: the type is "at\+jwt", not "JWT"\n$/,
    },
    {
      why: 'another algorithm, told once',
      token: signCall(),
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
      token: spoilSignature(signCall({ iat: seconds - 90, nbf: seconds - 90, exp: seconds - 30 })),
      args: ['--audience', 'x'],
      code: 13,
    },
    {
      failing: 'audience and expiry',
      token: signCall({ iat: seconds - 90, nbf: seconds - 90, exp: seconds - 30 }),
      args: ['--audience', 'x'],
      code: 14,
    },
    {
      failing: 'beginning and expiry',
      token: signCall({ iat: seconds - 90, nbf: seconds + 90, exp: seconds - 30 }),
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
