import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, runCli } from '../../../support/run-cli.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

const SECONDS = NOW / 1000
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
const CLAIMS = {
  iss: 'http://127.0.0.1:7468',
  sub: 'user-1',
  aud: 'https://billing.example',
  iat: SECONDS - 18,
  exp: SECONDS + 42,
  permissions: ['billing:read', 'billing:list'],
  act: { sub: 'spiffe://t/agent', client_id: 'c-1', act: { sub: 'spiffe://t/first', client_id: 'c-0' } },
}
const TOKEN = formatUnsignedJwt(HEADER, CLAIMS)

describe('authsec token decode', () => {
  test('says first that nothing was checked, then what the token says', async () => {
    const run = await runCli(['token', 'decode', '-'], { stdin: `${TOKEN}\n` })
    expect(run).toEqual({
      code: 0,
      stderr: '',
      stdout: `NOT VERIFIED  check it with: authsec token verify -

header
  alg  ES256
  typ  at+jwt
  kid  k1

claims
  iss          http://127.0.0.1:7468
  sub          user-1
  aud          https://billing.example
  iat          2026-08-21T11:59:42Z  18 seconds ago
  exp          2026-08-21T12:00:42Z  expires in 42 seconds
  permissions  billing:read, billing:list
  act          {"sub":"spiffe://t/agent","client_id":"c-1","act":{"sub":"spiffe://t/first","client_id":"c-0"}}

chain
  for user   user-1
  by agent   spiffe://t/agent  client c-1
  via agent  spiffe://t/first  client c-0
`,
    })
  })

  test('tells the same on a terminal, and paints only what is said in words too', async () => {
    const plain = await runCli(['token', 'decode', TOKEN])
    const painted = await runCli(['token', 'decode', TOKEN], { tty: true })
    expect(painted.stdout).toContain('\u001b[33mNOT VERIFIED\u001b[39m')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
    expect(painted.stdout.replace(/\u001b\[\d+m/g, '')).toBe(plain.stdout)
  })

  test('reads the chain of a base token, whose subject is the agent', async () => {
    const token = formatUnsignedJwt(
      { alg: 'RS256' },
      { sub: 'spiffe://t/agent', user_id: 'user-1', client_id: 'c-1' },
    )
    const { stdout } = await runCli(['token', 'decode', token])
    expect(stdout).toContain('  for user  user-1\n  by agent  spiffe://t/agent  client c-1\n')
  })

  test('prints one object with --json', async () => {
    const run = await runCli(['token', 'decode', '-', '--json'], { stdin: `"${TOKEN}"` })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toEqual({
      verified: false,
      header: HEADER,
      claims: CLAIMS,
      chain: [
        { role: 'for', id: 'user-1' },
        { role: 'by', id: 'spiffe://t/agent', client_id: 'c-1' },
        { role: 'via', id: 'spiffe://t/first', client_id: 'c-0' },
      ],
      stripped: ['quotes'],
    })
  })

  test.each([
    { exp: SECONDS - 180, words: 'expired 3 minutes ago' },
    { exp: SECONDS, words: 'expired now' },
    { exp: SECONDS + 7200, words: 'expires in 2 hours' },
    { exp: 1e15, words: 'expires in' },
    { exp: 'soon', words: 'exp  soon' },
  ])('an exp of $exp reads "$words"', async ({ exp, words }) => {
    const { stdout } = await runCli(['token', 'decode', formatUnsignedJwt({ alg: 'ES256' }, { exp })])
    expect(stdout).toContain(words)
  })

  test('lets no claim reach the terminal', async () => {
    const token = formatUnsignedJwt({ alg: 'ES256' }, { 'a\u001b[2J': 'b\u202ec\nd', e: { f: '\u009b1m' } })
    const text = await runCli(['token', 'decode', token])
    expect(text.stdout).toContain('a\\u001b[2J  b\\u202ec\\u000ad')
    const json = await runCli(['token', 'decode', token, '--json'])
    expect(json.stdout).toContain('\\u009b1m')
    expect(JSON.parse(json.stdout).claims).toEqual({ 'a\u001b[2J': 'b\u202ec\nd', e: { f: '\u009b1m' } })
  })

  test.each([
    { what: 'Bearer', text: `Bearer ${TOKEN}\n`, stripped: '"Bearer"' },
    { what: 'a header', text: `Authorization: Bearer ${TOKEN}`, stripped: '"Authorization:", "Bearer"' },
    { what: 'quotes', text: `'${TOKEN}'`, stripped: 'quotes' },
    { what: 'blanks', text: `  ${TOKEN}  \n`, stripped: 'white space' },
    { what: 'line breaks', text: TOKEN.replace(/.{40}/g, '$&\r\n  '), stripped: 'line breaks' },
    {
      what: 'all of it',
      text: ` "Bearer ${TOKEN.replace(/.{60}/g, '$&\n')}"`,
      stripped: 'white space, quotes, "Bearer", line breaks',
    },
  ])('takes $what off and says so', async ({ text, stripped }) => {
    const run = await runCli(['token', 'decode'], { stdin: text })
    expect(run).toMatchObject({ code: 0, stderr: `stripped from the token: ${stripped}\n` })
  })

  test('reads a file', async () => {
    const file = join(await makeDirectory(), 'token.jwt')
    await writeFile(file, `${TOKEN}\n`)
    expect(await runCli(['token', 'decode', file])).toMatchObject({ code: 0, stderr: '' })
  })

  test('tells a person that it waits for the keyboard', async () => {
    const run = await runCli(['token', 'decode'], { stdin: TOKEN, tty: { stdin: true } })
    expect(run).toMatchObject({ code: 0, stderr: 'paste the token and end with Ctrl-D\n' })
  })

  test.each([
    { why: 'not a JWT', args: ['nonsense'], code: 16, stderr: /^authsec: "nonsense" is not a JWT\nhint: / },
    {
      why: 'half a token',
      args: [TOKEN.slice(0, 80)],
      code: 16,
      stderr: /^authsec: not a JWT: 2 parts instead of three\nhint: /,
    },
    { why: 'nothing on standard input', args: [], code: 16, stderr: /^authsec: the token is empty\nhint: / },
    { why: 'duplicate claims', args: [twice()], code: 16, stderr: /stands twice/ },
    {
      why: 'unknown flag',
      args: ['--nope'],
      code: 2,
      stderr: /^authsec: unknown option '--nope'\nhint: See authsec token decode --help\.\n$/,
    },
    { why: 'two arguments', args: ['a', 'b'], code: 2, stderr: /^authsec: too many arguments/ },
  ])('fails on $why', async ({ args, code, stderr }) => {
    const run = await runCli(['token', 'decode', ...args])
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test('never repeats a token, not even half of one', async () => {
    const { stderr } = await runCli(['token', 'decode', TOKEN.slice(0, 80).replace('.', '')])
    expect(stderr).toMatch(/^authsec: the argument is not a JWT\n/)
  })

  test('refuses ten megabytes without reading them all', async () => {
    const run = await runCli(['token', 'decode', '-'], { stdin: Buffer.alloc(10 * 1024 * 1024, 'a') })
    expect(run).toMatchObject({
      code: 16,
      stdout: '',
      stderr: expect.stringMatching(/larger than 64 KiB\nhint: /),
    })
  })

  test('refuses a large file and a directory', async () => {
    const directory = await makeDirectory()
    await writeFile(join(directory, 'big'), Buffer.alloc(100_000, 'a'))
    await mkdir(join(directory, 'folder'))
    expect(await runCli(['token', 'decode', join(directory, 'big')])).toMatchObject({ code: 16, stdout: '' })
    expect(await runCli(['token', 'decode', join(directory, 'folder')])).toMatchObject({
      code: 2,
      stdout: '',
    })
  })
})

function twice(): string {
  const parts = ['{"alg":"ES256"}', '{"sub":"a","sub":"b"}'].map((text) =>
    Buffer.from(text).toString('base64url'),
  )
  return `${parts.join('.')}.c2ln`
}
