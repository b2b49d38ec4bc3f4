import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, runCli } from '../../../support/run-cli.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

const now = NOW / 1000
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
const CLAIMS = {
  sub: 'user-1',
  aud: 'https://billing.example',
  iat: now - 60,
  exp: now + 240,
  permissions: ['billing:list', 'billing:read'],
}
const make = (claims: object = {}, header: object = {}) =>
  formatUnsignedJwt({ ...HEADER, ...header }, { ...CLAIMS, ...claims })
const ask = (args: readonly string[], claims: object = {}) =>
  runCli(['token', ...args], { stdin: make(claims) })

describe('authsec token can', () => {
  test.each([
    { args: ['billing:read'], claims: {} },
    { args: ['billing:read', '--audience', 'https://billing.example'], claims: {} },
    { args: ['billing:read'], claims: { permissions: undefined, scope: 'a:b billing:read' } },
    { args: ['billing:read', '--audience', 'b'], claims: { aud: ['a', 'b'] } },
  ])('answers yes to $args of $claims', async ({ args, claims }) => {
    expect(await ask(['can', ...args], claims)).toEqual({ code: 0, stdout: 'yes\n', stderr: '' })
  })

  test.each([
    { args: ['billing:refund'], claims: {}, stdout: 'no: it carries only billing:list billing:read\n' },
    { args: ['billing:re'], claims: { permissions: [] }, stdout: 'no: it carries nothing\n' },
    {
      args: ['billing:read', '--audience', 'x'],
      claims: {},
      stdout: 'no: it is for only https://billing.example\n',
    },
    { args: ['billing:read'], claims: { exp: now }, stdout: 'no: it expired now\n' },
    { args: ['billing:read'], claims: { nbf: now + 60 }, stdout: 'no: it begins in 1 minute\n' },
    {
      args: ['billing:read'],
      claims: { permissions: ['a\u001b[2J'] },
      stdout: 'no: it carries only a\\u001b[2J\n',
    },
  ])('answers no with 10 to $args of $claims', async ({ args, claims, stdout }) => {
    expect(await ask(['can', ...args], claims)).toEqual({ code: 10, stdout, stderr: '' })
  })

  test('says all there is against it, also as data with the same code', async () => {
    const run = await ask(['can', 'billing:refund', '--audience', 'x', '--json'], { exp: now - 5 })
    expect(run).toMatchObject({ code: 10, stderr: '' })
    expect(JSON.parse(run.stdout)).toMatchObject({ allowed: false, verified: false, reasons: { length: 3 } })
  })

  test.each([
    { why: 'no permission', args: ['can'], stdin: make(), code: 2 },
    { why: 'what is no permission', args: ['can', 'All!'], stdin: make(), code: 2 },
    { why: 'what is no token', args: ['can', 'a:b'], stdin: 'x', code: 16 },
  ])('is a failure with $why', async ({ args, stdin, code }) => {
    expect(await runCli(['token', ...args], { stdin })).toMatchObject({ code, stdout: '' })
  })
})

describe('authsec token needs-renewal', () => {
  test.each([
    { args: [], claims: {}, code: 0, stdout: 'not due: it expires in 4 minutes\n' },
    { args: [], claims: { exp: now + 30 }, code: 0, stdout: 'not due: it expires in 30 seconds\n' },
    { args: [], claims: { exp: now + 29 }, code: 10, stdout: 'due: it expires in 29 seconds\n' },
    { args: [], claims: { exp: now - 60 }, code: 10, stdout: 'due: it expired 1 minute ago\n' },
    { args: ['--expires-in', '4m'], claims: {}, code: 10, stdout: 'due: it expires in 4 minutes\n' },
    { args: ['--expires-in', '239'], claims: {}, code: 0, stdout: 'not due: it expires in 4 minutes\n' },
    { args: ['--expires-in', '80%'], claims: {}, code: 10, stdout: 'due: it expires in 4 minutes\n' },
    { args: ['--expires-in', '79%'], claims: {}, code: 0, stdout: 'not due: it expires in 4 minutes\n' },
    { args: ['--expires-in', '1m'], claims: { iat: undefined }, code: 0, stdout: /^not due/ },
  ])('with $args and $claims ends with $code', async ({ args, claims, code, stdout }) => {
    const run = await ask(['needs-renewal', ...args], claims)
    expect(run).toMatchObject({ code, stderr: '' })
    expect(run.stdout).toMatch(stdout)
  })

  test('is data with --json', async () => {
    const run = await ask(['needs-renewal', '--json'])
    expect(JSON.parse(run.stdout)).toEqual({
      due: false,
      expires_at: '2026-08-21T12:04:00Z',
      expires_in: 240,
    })
  })

  test.each([
    { why: 'a share of more than all', args: ['--expires-in', '101%'], claims: {}, code: 2 },
    { why: 'a share that is none', args: ['--expires-in', 'soon'], claims: {}, code: 2 },
    { why: 'no end', args: [], claims: { exp: undefined }, code: 14 },
    { why: 'no beginning to count from', args: [], claims: { iat: undefined }, code: 14 },
  ])('is a failure with $why', async ({ args, claims, code }) => {
    expect(await ask(['needs-renewal', ...args], claims)).toMatchObject({ code, stdout: '' })
  })
})

describe('authsec token diff', () => {
  async function diff(other: string, args: readonly string[] = []) {
    const file = join(await makeDirectory(), 'a.jwt')
    await writeFile(file, make())
    return runCli(['token', 'diff', file, '-', ...args], { stdin: other })
  }

  test('says nothing on standard output when both say the same, whatever the order', async () => {
    const { sub, aud, ...rest } = CLAIMS
    const same = formatUnsignedJwt(HEADER, { ...rest, aud, sub })
    expect(await diff(same)).toEqual({ code: 0, stdout: '', stderr: 'both say the same\n' })
  })

  test('names each member that differs, with times that can be read', async () => {
    const run = await diff(make({ exp: now + 300, tool: 'pay', sub: undefined }, { alg: 'RS256' }))
    expect(run).toEqual({
      code: 10,
      stderr: '',
      stdout: [
        'changed\theader.alg\tES256\tRS256',
        'removed\tclaims.sub\tuser-1\t',
        'changed\tclaims.exp\t2026-08-21T12:04:00Z  expires in 4 minutes\t2026-08-21T12:05:00Z  expires in 5 minutes',
        'added\tclaims.tool\t\tpay',
        '',
      ].join('\n'),
    })
  })

  test('leaves out what does not count', async () => {
    expect(await diff(make({ exp: now, iat: now }), ['--ignore', 'exp', '--ignore', 'iat'])).toMatchObject({
      code: 0,
    })
  })

  test('is data with --json, and keeps control characters escaped', async () => {
    const run = await diff(make({ sub: 'a\u009b1m' }), ['--json'])
    expect(run.code).toBe(10)
    expect(JSON.parse(run.stdout)).toEqual({
      same: false,
      differences: [{ part: 'claims', member: 'sub', change: 'changed', a: 'user-1', b: 'a\u009b1m' }],
    })
    expect(run.stdout).toContain('\\u009b')
  })

  test.each([
    { why: 'standard input twice', args: ['-', '-'], code: 2 },
    { why: 'one token', args: ['-'], code: 2 },
    { why: 'a file that is not there', args: ['/nowhere/a.jwt', '-'], code: 6 },
  ])('is a failure with $why', async ({ args, code }) => {
    expect(await runCli(['token', 'diff', ...args], { stdin: make() })).toMatchObject({ code, stdout: '' })
  })
})
