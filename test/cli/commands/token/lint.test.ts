import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { LINT_RULES } from '../../../../src/cli/lint-rules.js'
import { makeDirectory, NOW, runCli } from '../../../support/run-cli.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

const now = NOW / 1000
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
const CLAIMS = {
  iss: 'https://auth.example',
  sub: 'user-1',
  aud: 'https://billing.example',
  iat: now,
  exp: now + 60,
  jti: 'j1',
  tenant_id: 't1',
  scope: 'billing:list billing:read',
  permissions: ['billing:list', 'billing:read'],
  act: { sub: 'spiffe://t/agent', client_id: 'c1' },
}
const BASE = { ...CLAIMS, iss: 'spiffe://t1', scope: undefined, act: undefined, exp: now + 3600 }

const lint = (claims: object, header: object = {}, args: readonly string[] = []) =>
  runCli(['token', 'lint', ...args], {
    stdin: formatUnsignedJwt({ ...HEADER, ...header }, { ...CLAIMS, ...claims }),
  })

const chain = (depth: number): object => ({ sub: 'a', ...(depth > 1 && { act: chain(depth - 1) }) })

/** For every rule a token that breaks it, and no other. */
const BROKEN: readonly { rule: string; claims?: object; header?: object }[] = [
  { rule: 'alg-none', header: { alg: 'none' } },
  { rule: 'alg-none', header: { alg: undefined } },
  { rule: 'alg-symmetric', header: { alg: 'HS256' } },
  { rule: 'header-keys', header: { jku: 'https://evil.example' } },
  { rule: 'header-crit', header: { crit: ['b64'] } },
  { rule: 'kid-missing', header: { kid: undefined } },
  { rule: 'typ-missing', header: { typ: undefined } },
  { rule: 'size', claims: { note: 'x'.repeat(4000) } },
  { rule: 'iss-missing', claims: { iss: undefined } },
  { rule: 'iss-insecure', claims: { iss: 'http://auth.example' } },
  { rule: 'sub-missing', claims: { sub: undefined } },
  { rule: 'aud-missing', claims: { aud: undefined } },
  { rule: 'aud-missing', claims: { aud: [] } },
  { rule: 'aud-wildcard', claims: { aud: 'https://*.example' } },
  { rule: 'aud-many', claims: { aud: ['https://a.example', 'https://b.example'] } },
  { rule: 'exp-missing', claims: { exp: undefined } },
  { rule: 'exp-missing', claims: { exp: 'soon' } },
  { rule: 'iat-missing', claims: { iat: undefined } },
  { rule: 'times-disordered', claims: { exp: now - 1 } },
  { rule: 'iat-future', claims: { iat: now + 120, exp: now + 180 } },
  { rule: 'lifetime', claims: { exp: now + 301 } },
  { rule: 'lifetime', claims: { ...BASE, exp: now + 86_401 }, header: { typ: 'JWT' } },
  { rule: 'refresh-buffer', claims: { ...BASE, exp: now + 300 }, header: { typ: 'JWT' } },
  { rule: 'jti-missing', claims: { jti: undefined } },
  { rule: 'tenant-missing', claims: { tenant_id: undefined } },
  { rule: 'scope-differs', claims: { scope: 'billing:read' } },
  { rule: 'permissions-wildcard', claims: { permissions: ['billing:*'], scope: 'billing:*' } },
  { rule: 'chain-deep', claims: { act: chain(6) } },
  { rule: 'act-claims', claims: { act: { sub: 'a', act: { sub: 'b', exp: 1 } } } },
  { rule: 'binding-type', claims: { one_time: true } },
  { rule: 'personal-data', claims: { email: 'x' } },
  { rule: 'personal-data', claims: { contact: { mail: ['alice@example.org'] } } },
  { rule: 'secrets', claims: { client_secret: 'x' } },
  { rule: 'secrets', claims: { note: '-----BEGIN PRIVATE KEY-----' } },
]

describe('authsec token lint', () => {
  test.each(BROKEN)(
    'finds $rule in a token with $claims $header',
    async ({ rule, claims = {}, header = {} }) => {
      const run = await lint(claims, header, ['--json'])
      const found = JSON.parse(run.stdout) as { rule: string; level: string }[]
      expect(found.map((finding) => finding.rule)).toEqual([rule])
      const isNote = found.every(({ level }) => level === 'note')
      expect(run.code).toBe(isNote ? 0 : 17)
    },
  )

  test('has a token that breaks it for every rule', () => {
    expect([...new Set(BROKEN.map(({ rule }) => rule))].sort()).toEqual(LINT_RULES.map(({ id }) => id).sort())
  })

  test.each([
    { what: 'call token', claims: {}, header: {} },
    { what: 'base token', claims: BASE, header: { alg: 'RS256', typ: 'JWT', kid: undefined } },
    { what: 'bound call token', claims: { one_time: true }, header: { typ: 'authsec-call+jwt' } },
    { what: 'token of a server on this machine', claims: { iss: 'http://127.0.0.1:7468' }, header: {} },
  ])('finds nothing in a good $what', async ({ claims, header }) => {
    expect(await lint(claims, header)).toEqual({ code: 0, stdout: '', stderr: 'nothing found\n' })
  })

  test('names the file, the level, the rule and what is wrong, worst values left out', async () => {
    const run = await lint({ email: 'alice@example.org' })
    expect(run).toMatchObject({
      code: 17,
      stdout: '-\twarning\tpersonal-data\tmany can read it, and it tells about a person: email\n',
      stderr: expect.stringMatching(/^authsec: 1 of the findings count as warning or worse\nhint: /),
    })
    expect(run.stdout).not.toContain('alice')
  })

  test.each([
    { args: ['--fail-on', 'error'], code: 0 },
    { args: ['--fail-on', 'note'], code: 17 },
    { args: ['--rule', 'personal-data=error', '--fail-on', 'error'], code: 17 },
    { args: ['--rule', 'personal-data=note'], code: 0 },
    { args: ['--rule', 'personal-data=off', '--fail-on', 'note'], code: 0 },
  ])('with $args ends with $code', async ({ args, code }) => {
    expect(await lint({ email: 'x' }, {}, args)).toMatchObject({ code })
  })

  test.each([
    {
      why: 'an unknown rule',
      args: ['--rule', 'nope=off'],
      stderr: /"nope=off" names no rule\nhint: The rules are/,
    },
    { why: 'no level', args: ['--rule', 'size'], stderr: /"size" gives no level\nhint: Write ID=LEVEL/ },
    { why: 'an unknown level', args: ['--rule', 'size=loud'], stderr: /"loud" is not a level/ },
    { why: 'an unknown report', args: ['--report', 'xml'], stderr: /invalid/ },
    { why: 'two forms at once', args: ['--report', 'sarif', '--json'], stderr: /cannot be used with/ },
  ])('refuses $why', async ({ args, stderr }) => {
    expect(await lint({}, {}, args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(stderr),
    })
  })

  describe('suppressions', () => {
    async function suppress(content: unknown, args: readonly string[] = []) {
      const file = join(await makeDirectory(), 'accepted.json')
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
      return lint({ email: 'x' }, {}, ['--suppressions', file, ...args])
    }
    const accepted = { rule: 'personal-data', reason: 'AuthSec puts it there' }

    test('take a finding out of the count and keep it in the reports', async () => {
      expect(await suppress([accepted])).toMatchObject({ code: 0, stdout: '', stderr: /1 suppressed/ })
      const { stdout } = await suppress([accepted], ['--report', 'sarif'])
      expect(JSON.parse(stdout).runs[0].results).toMatchObject([
        { ruleId: 'personal-data', suppressions: [{ justification: accepted.reason }] },
      ])
    })

    test('count for their issuer only', async () => {
      expect(await suppress([{ ...accepted, iss: CLAIMS.iss }])).toMatchObject({ code: 0 })
      expect(await suppress([{ ...accepted, iss: 'https://other.example' }])).toMatchObject({ code: 17 })
    })

    test.each([
      { why: 'no reason', content: [{ rule: 'size' }], stderr: /"size" in .* gives no reason/ },
      { why: 'no such rule', content: [{ rule: 'nope', reason: 'x' }], stderr: /"nope" names no rule/ },
      { why: 'no list', content: {}, stderr: /is not a list/ },
      { why: 'no JSON', content: '[', stderr: /is not JSON/ },
    ])('are refused with $why', async ({ content, stderr }) => {
      expect(await suppress(content)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(stderr),
      })
    })
  })

  test('reads several files and says in which one', async () => {
    const directory = await makeDirectory()
    const files = [{ email: 'x' }, {}, { exp: undefined }].map((claims, index) => {
      return [join(directory, `${index}.jwt`), formatUnsignedJwt(HEADER, { ...CLAIMS, ...claims })] as const
    })
    for (const [file, token] of files) await writeFile(file, token)
    const names = files.map(([file]) => file)
    const run = await runCli(['token', 'lint', ...names])
    expect(run.code).toBe(17)
    expect(run.stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([names[0], names[2], ''])
    const missing = await runCli(['token', 'lint', join(directory, 'none.jwt')])
    expect(missing).toMatchObject({ code: 6, stdout: '' })
  })

  test('says which of several files holds no token', async () => {
    const directory = await makeDirectory()
    const [good, bad] = [join(directory, 'good.jwt'), join(directory, 'bad.jwt')]
    await writeFile(good, formatUnsignedJwt(HEADER, CLAIMS))
    await writeFile(bad, 'a.b')
    expect(await runCli(['token', 'lint', good, bad])).toMatchObject({
      code: 16,
      stdout: '',
      stderr: `authsec: ${JSON.stringify(bad)}: not a JWT: 2 parts instead of three\nhint: A JWT is three base64url parts joined by dots.\n`,
    })
  })

  test('finds a token that nobody has signed, RFC 7519 §6', async () => {
    const unsecured = formatUnsignedJwt({ ...HEADER, alg: 'none' }, CLAIMS).replace(/[^.]*$/, '')
    const run = await runCli(['token', 'lint'], { stdin: unsecured })
    expect(run).toMatchObject({ code: 17, stdout: expect.stringMatching(/^-\terror\talg-none\t/) })
  })

  test('names files by addresses in SARIF, whatever they are called', async () => {
    const directory = await makeDirectory()
    const file = join(directory, '50%: a b.jwt')
    await writeFile(file, formatUnsignedJwt(HEADER, { ...CLAIMS, exp: undefined }))
    const locate = async (name: string) => {
      const { stdout } = await runCli(['token', 'lint', name, '--report', 'sarif'])
      return JSON.parse(stdout).runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri
    }
    expect(await locate(file)).toBe(pathToFileURL(file).href)
    expect(await locate(relative('.', file))).toMatch(/^(?:\.\.\/)+.*\/50%25%3A%20a%20b\.jwt$/)
  })

  test('writes SARIF that names every rule and repeats no token', async () => {
    const run = await lint({ email: 'alice@example.org', exp: undefined }, {}, ['--report', 'sarif'])
    expect(run.code).toBe(17)
    const [{ tool, results }] = JSON.parse(run.stdout).runs
    expect(tool.driver.rules.map(({ id }: { id: string }) => id)).toEqual(LINT_RULES.map(({ id }) => id))
    for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex].id).toBe(ruleId)
    expect(results.map(({ level }: { level: string }) => level)).toEqual(['error', 'warning'])
    expect(run.stdout).not.toMatch(/eyJ|alice/)
  })

  test('annotates for GitHub', async () => {
    const { stdout } = await lint({ email: 'x' }, { kid: undefined }, ['--report', 'github'])
    expect(stdout.trimEnd().split('\n')).toEqual([
      '::notice title=authsec token lint%3A kid-missing::without kid no key can be replaced without a gap',
      '::warning title=authsec token lint%3A personal-data::many can read it, and it tells about a person: email',
    ])
  })

  test('looks at the header of an encrypted token, and into a nested one', async () => {
    const encode = (text: string) => Buffer.from(text).toString('base64url')
    const encrypted = `${encode('{"alg":"dir","enc":"A256GCM","jku":"https://evil.example"}')}..aXY.dGV4dA.dGFn`
    const rules = async (stdin: string) =>
      JSON.parse((await runCli(['token', 'lint', '--json'], { stdin })).stdout).map(
        (found: { rule: string }) => found.rule,
      )
    expect(await rules(encrypted)).toContain('header-keys')
    const nested = `${encode('{"alg":"ES256","typ":"JWT","kid":"k"}')}.${encode(formatUnsignedJwt(HEADER, { ...CLAIMS, aud: undefined }))}.c2ln`
    expect(await rules(nested)).toEqual(['aud-missing'])
  })

  test('escapes what a claim would do to a terminal', async () => {
    const { stdout } = await lint({ 'secret\u001b[2J': 1, 'x\u202e_secret': 'a' }, {}, ['--fail-on', 'error'])
    expect(stdout).toContain('x\\u202e_secret')
  })
})
