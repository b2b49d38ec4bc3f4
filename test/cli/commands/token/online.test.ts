import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../../support/run-cli.js'
import { BILLING } from '../../../support/running-server.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const MINT = ['token', 'mint', '--audience', BILLING, '--permission', 'billing:read']

let cli: ServedCli
beforeAll(async () => {
  cli = await serveCli()
  await cli.letAdminDelegate()
})
afterAll(() => cli.server.close())

const mint = async (args: readonly string[] = MINT) => (await cli.run(args)).stdout.trim()
const introspect = (token: string) => cli.run(['token', 'introspect', '--json'], { stdin: token })

async function file(text: string): Promise<string> {
  const path = join(await makeDirectory(), 'token.jwt')
  await writeFile(path, text)
  return path
}

function claimsOf(token: string) {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

describe('authsec token introspect', () => {
  test('says that a token is alive and what it is worth', async () => {
    const { code, stdout } = await introspect(await mint())
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ active: true, scope: 'billing:read', aud: BILLING })
    const text = await cli.run(['token', 'introspect'], { stdin: await mint() })
    expect(text.stdout).toMatch(/^active\tyes$/m)
    expect(text.stdout).toMatch(/^exp\t\d{4}-.* expires in \d+ (?:second|minute)/m)
  })

  test.each([
    { what: 'a token that nobody knows', stdin: 'eyJhIjoxfQ.eyJhIjoxfQ.AAAA', code: 15 },
    { what: 'an opaque token', stdin: 'abc', code: 15 },
    { what: 'nothing', stdin: '', code: 16 },
    { what: 'what is no token', stdin: 'a&b', code: 16 },
  ])('of $what ends with $code', async ({ stdin, code }) => {
    expect(await introspect(stdin)).toMatchObject({ code })
  })

  test('needs a session, and never repeats the token', async () => {
    const token = await mint()
    const run = await cli.run(['token', 'introspect'], { stdin: token, env: { AUTHSEC_TOKEN: '' } })
    expect(run).toMatchObject({ code: 4, stdout: '' })
    expect((await introspect(token)).stderr).not.toContain(token)
  })
})

describe('authsec token revoke', () => {
  test('ends a token that is at hand, as an admin and as its client', async () => {
    for (const env of [{}, { AUTHSEC_TOKEN: '' }]) {
      const token = await mint()
      const run = await cli.run(['token', 'revoke', '-'], { stdin: token, env })
      expect(run).toMatchObject({
        code: 0,
        stdout: '',
        stderr: expect.stringMatching(/^the token is revoked/),
      })
      expect((await introspect(token)).code).toBe(15)
      const verified = await cli.run(['token', 'verify', '--online', '--json'], { stdin: token })
      expect(verified.code).toBe(15)
    }
  })

  test('ends a token known by its id, and says the same of one that nobody knows', async () => {
    const token = await mint()
    const run = await cli.run(['token', 'revoke', '--jti', claimsOf(token).jti])
    expect(run).toMatchObject({ code: 0, stdout: '' })
    expect((await introspect(token)).code).toBe(15)
    expect(
      (await cli.run(['token', 'revoke', '--jti', '00000000-0000-4000-8000-000000000000', '--json'])).stdout,
    ).toContain('"revoked"')
  })

  test('ends with the id of a base token its delegation, and with that all that came from it', async () => {
    const [base, call] = [await mint(['token', 'mint']), await mint()]
    expect((await cli.run(['token', 'revoke', '--jti', claimsOf(base).jti])).code).toBe(0)
    expect((await introspect(call)).code).toBe(15)
    expect((await cli.run(MINT)).code).toBe(6)
    expect((await cli.run(['delegation', 'grant', 'demo-agent'])).code).toBe(0)
  })

  test('ends all that a client has, once it is confirmed', async () => {
    const token = await mint()
    const args = ['token', 'revoke', '--client', 'demo-agent']
    expect(await cli.run(args)).toMatchObject({ code: 2, stdout: '' })
    expect(await cli.run([...args, '--dry-run'])).toMatchObject({ code: 0, stdout: /^delegation\t/ })
    expect((await introspect(token)).code).toBe(0)
    expect(await cli.run([...args, '--confirm', 'demo-agent'])).toMatchObject({ code: 0 })
    expect((await introspect(token)).code).toBe(15)
    expect((await cli.run(['delegation', 'grant', 'demo-agent'])).code).toBe(0)
  })

  test('is refused the token of another client', async () => {
    const other = await cli.read([
      'client',
      'register',
      'thief',
      '--type',
      'ai_agent',
      '--agent-type',
      'langchain',
    ])
    const claims = { ...claimsOf(await mint()), client_id: other.client_id }
    const token = await mint()
    const forged = `${token.split('.')[0]}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${token.split('.')[2]}`
    const run = await cli.run(['token', 'revoke'], { stdin: forged, env: { AUTHSEC_TOKEN: '' } })
    expect(run.code).toBe(0)
    expect((await introspect(token)).code).toBe(0)
  })

  test.each([
    { why: 'two ways at once', args: ['x.jwt', '--jti', 'a'], code: 2 },
    { why: 'an id and a client', args: ['--jti', 'a', '--client', 'b'], code: 2 },
    { why: 'a dry run of one token', args: ['-', '--dry-run'], code: 2 },
    { why: 'nothing at all', args: [], code: 16 },
    { why: 'a client that there is not', args: ['--client', 'nobody', '--confirm', 'nobody'], code: 6 },
  ])('is a failure with $why', async ({ args, code }) => {
    expect(await cli.run(['token', 'revoke', ...args])).toMatchObject({ code, stdout: '' })
  })
})

describe('authsec token exchange', () => {
  test('gets a call token for a base token, and another for that one', async () => {
    const base = await file(await mint(['token', 'mint']))
    const first = await cli.run([
      'token',
      'exchange',
      '--subject',
      base,
      '--audience',
      BILLING,
      '--tool',
      'pay',
    ])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(claimsOf(first.stdout)).toMatchObject({ aud: BILLING, tool: 'pay', authsec_grant: 'standing' })

    const args = ['--permission', 'billing:read', '--ttl', '5s', '--audience', BILLING]
    const second = await cli.run(['token', 'exchange', '--subject', '-', ...args], { stdin: first.stdout })
    expect(claimsOf(second.stdout)).toMatchObject({
      parent_jti: claimsOf(first.stdout).jti,
      permissions: ['billing:read'],
    })
    const hops = await cli.run([
      'token',
      'decode',
      await file(second.stdout),
      '--chain',
      '--parent',
      await file(first.stdout),
      '--parent',
      base,
    ])
    expect(hops.stdout).toMatch(/ → /)
  })

  test('acts for a user who has logged in, as mint --subject does', async () => {
    const session = await file(cli.server.adminToken)
    const exchanged = await cli.run(['token', 'exchange', '--subject', session, '--audience', BILLING])
    expect(claimsOf(exchanged.stdout)).toMatchObject({ authsec_grant: 'user' })
    const minted = await cli.run(['token', 'mint', '--subject', session, '--audience', BILLING, '--json'])
    expect(claimsOf(JSON.parse(minted.stdout).token)).toMatchObject({
      authsec_grant: 'user',
      act: { client_id: cli.server.clientId },
    })
  })

  test('sends an actor along, and the server checks it', async () => {
    const session = await file(cli.server.adminToken)
    const base = await file(await mint(['token', 'mint']))
    const args = ['token', 'exchange', '--subject', session, '--audience', BILLING]
    expect(await cli.run([...args, '--actor', base])).toMatchObject({ code: 0 })
    expect((await cli.run([...args, '--actor', session])).code).toBe(2)
  })

  test.each([
    { why: 'no subject', args: ['--audience', BILLING], code: 2 },
    { why: 'no audience', args: ['--subject', '-'], code: 2 },
    { why: 'standard input twice', args: ['--subject', '-', '--actor', '-', '--audience', BILLING], code: 2 },
    {
      why: 'a life that is too long',
      args: ['--subject', '-', '--audience', BILLING, '--ttl', '6m'],
      code: 2,
    },
    { why: 'a file that is not there', args: ['--subject', '/nowhere.jwt', '--audience', BILLING], code: 6 },
    { why: 'what is no token', args: ['--subject', '-', '--audience', BILLING], code: 16 },
    {
      why: 'the wrong kind',
      args: ['--subject', 'BASE', '--subject-kind', 'session', '--audience', BILLING],
      code: 2,
    },
    { why: 'an API outside', args: ['--subject', 'BASE', '--audience', 'https://evil.example'], code: 5 },
  ])('is a failure with $why', async ({ args, code }) => {
    const base = await file(await mint(['token', 'mint']))
    const run = await cli.run(['token', 'exchange', ...args.map((arg) => (arg === 'BASE' ? base : arg))])
    expect(run).toMatchObject({ code, stdout: '' })
    expect(run.stderr).not.toContain('eyJ')
  })
})

describe('authsec token mint --call', () => {
  test('binds the token to the arguments, which are sent nowhere else', async () => {
    const call = await file('{"invoice":"A-1","amount":"12.00"}')
    const { code, stdout } = await cli.run([...MINT, '--tool', 'pay', '--call', call])
    expect(code).toBe(0)
    expect(claimsOf(stdout)).toMatchObject({
      tool: 'pay',
      bind: ['tool', 'call'],
      call: { hash: expect.any(String) },
    })
    expect(JSON.stringify(claimsOf(stdout))).not.toContain('A-1')
  })

  test.each([
    { why: 'no tool', args: ['--call', '-'], stdin: '{}', code: 2 },
    { why: 'a list', args: ['--tool', 'pay', '--call', '-'], stdin: '[]', code: 2 },
    { why: 'a member twice', args: ['--tool', 'pay', '--call', '-'], stdin: '{"a":1,"a":2}', code: 2 },
    { why: 'no file', args: ['--tool', 'pay', '--call', '/nowhere.json'], stdin: '', code: 6 },
  ])('is refused with $why', async ({ args, stdin, code }) => {
    expect(await cli.run([...MINT, ...args], { stdin })).toMatchObject({ code, stdout: '' })
  })

  test('needs an audience, as --subject does', async () => {
    const args = ['token', 'mint', '--tool', 'pay', '--call', '-']
    expect(await cli.run(args, { stdin: '{}' })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/needs --audience/),
    })
    expect(await cli.run(['token', 'mint', '--subject', '-'])).toMatchObject({ code: 2, stdout: '' })
  })
})
