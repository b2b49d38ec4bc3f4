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
  test.each([
    { name: 'token.jwt', isNamed: true },
    { name: 'a b', isNamed: false },
  ])('of a file named $name says how to check it', async ({ name, isNamed }) => {
    const file = join(await makeDirectory(), name)
    await writeFile(file, TOKEN)
    const { stdout } = await runCli(['token', 'decode', file])
    expect(stdout).toContain(`check it with: authsec token verify ${isNamed ? file : '-'}\n`)
  })

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

signature
  9 bytes, ES256, not checked

lifetime
  [######..............]  30% of 1m used, expires in 42 seconds

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
    const titles = ['header', 'claims', 'signature'].map((title) => colourBefore(painted.stdout, title))
    expect(new Set(titles).size).toBe(3)
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
      kind: 'signed',
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

  test('reads a token that nobody has signed, RFC 7519 §6', async () => {
    const unsecured = formatUnsignedJwt({ alg: 'none' }, { sub: 'user-1' }).replace(/[^.]*$/, '')
    const run = await runCli(['token', 'decode'], { stdin: unsecured })
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/0 bytes, none/) })
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

describe('authsec token decode --claims, --header-only, --raw', () => {
  test.each([
    { flag: '--claims', has: 'claims', lacks: ['header', 'signature', 'lifetime', 'chain'] },
    { flag: '--header-only', has: 'header', lacks: ['claims', 'signature', 'lifetime', 'chain'] },
  ])('$flag shows that part under the same warning', async ({ flag, has, lacks }) => {
    const { stdout } = await runCli(['token', 'decode', TOKEN, flag])
    const titles = stdout.split('\n').filter((line) => /^[a-z]/.test(line))
    expect(stdout).toMatch(/^NOT VERIFIED/)
    expect(titles).toEqual([has])
    expect(titles).not.toEqual(expect.arrayContaining(lacks))
  })

  test('--raw prints the JSON texts as they stand, and the warning beside them', async () => {
    const token = `${encode('{"alg" : "ES256"}')}.${encode('{"exp":1.0,  "a":"\\u0041"}')}.AAAA`
    expect(await runCli(['token', 'decode', token, '--raw'])).toEqual({
      code: 0,
      stderr: 'NOT VERIFIED\n',
      stdout: '{"alg" : "ES256"}\n{"exp":1.0,  "a":"\\u0041"}\n',
    })
    const { stdout } = await runCli(['token', 'decode', token, '--raw', '--claims'])
    expect(stdout).toBe('{"exp":1.0,  "a":"\\u0041"}\n')
  })

  test('--raw lets no escape sequence of the token through, and stays JSON', async () => {
    const token = `${encode('{"alg":"ES256"}')}.${encode('{"a":"\u009b1m\u202e"}')}.AAAA`
    const { stdout } = await runCli(['token', 'decode', token, '--raw', '--claims'])
    expect(stdout).toBe('{"a":"\\u009b1m\\u202e"}\n')
    expect(JSON.parse(stdout)).toEqual({ a: '\u009b1m\u202e' })
  })

  test.each([
    [['--claims', '--header-only']],
    [['--claims', '--chain']],
    [['--raw', '--explain']],
    [['--parent', 'base.jwt']],
  ])('%j do not go together', async (flags) => {
    expect(await runCli(['token', 'decode', TOKEN, ...flags])).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('authsec token decode --explain', () => {
  test('says what each member means, and nothing of what nobody knows', async () => {
    const token = formatUnsignedJwt(HEADER, { ...CLAIMS, toString: 'own' })
    const { stdout } = await runCli(['token', 'decode', token, '--explain'])
    expect(stdout).toMatch(/ {2}alg {2}ES256\n {7}the algorithm of the signature/)
    expect(stdout).toMatch(/ {2}aud +https:\/\/billing\.example\n +which API may accept the token/)
    expect(stdout).toMatch(/ {2}toString +own\n\nsignature/)
  })

  test('wraps on a terminal of 40 columns, where values have a line of their own', async () => {
    const { stdout } = await runCli(['token', 'decode', TOKEN, '--explain', '--color', 'never'], {
      tty: true,
      columns: 40,
    })
    expect(stdout).toContain('\n  sub\n    user-1\n    whom the token is about')
    expect(stdout.split('\n').filter((line) => line.length > 40 && line.includes(' ', 40))).toEqual([])
  })
})

describe('authsec token decode --chain', () => {
  const base = {
    jti: 'base-1',
    iat: SECONDS - 100,
    exp: SECONDS + 3500,
    aud: ['authsec-api'],
    permissions: ['billing:list', 'billing:read', 'orders:read'],
  }
  const call = { ...CLAIMS, jti: 'call-1', parent_jti: 'base-1' }
  const next = { ...CLAIMS, jti: 'call-2', parent_jti: 'call-1', permissions: ['billing:read'], tool: 'pay' }

  async function chain(claims: object, parents: object[], flags: string[] = []) {
    const directory = await makeDirectory()
    const files = parents.map((_, index) => join(directory, `${index}.jwt`))
    for (const [index, file] of files.entries()) {
      await writeFile(file, formatUnsignedJwt(HEADER, parents[index] ?? {}))
    }
    const token = formatUnsignedJwt(HEADER, claims)
    const given = files.flatMap((file) => ['--parent', file])
    return runCli(['token', 'decode', token, '--chain', ...given, ...flags])
  }

  test('goes from the user to the agent that acts now', async () => {
    const { stdout, stderr } = await chain(CLAIMS, [])
    expect(stdout).toBe(`NOT VERIFIED  check it with: authsec token verify -

user user-1
└─ agent spiffe://t/first  client c-0
   └─ agent spiffe://t/agent  client c-1  acts now
`)
    expect(stderr).toMatch(/does not say what its parents allowed/)
  })

  test('says what each hop narrowed, in whatever order the parents are given', async () => {
    const { code, stdout } = await chain(next, [call, base])
    expect(code).toBe(0)
    expect(stdout).toContain(`
base-1 → call-1
  permissions  billing:read, billing:list  (dropped: orders:read)
  audience     https://billing.example  (of authsec-api)
  lifetime     1m  (of 1h)

call-1 → call-2
  permissions  billing:read  (dropped: billing:list)
  audience     https://billing.example
  lifetime     1m
  only for     tool
`)
  })

  test('calls a hop that widens by that name', async () => {
    const { stdout } = await chain({ ...call, permissions: ['billing:refund'] }, [base])
    expect(stdout).toMatch(/ {2}WIDENED +billing:refund\n/)
  })

  test('is data with --json', async () => {
    const { stdout } = await chain(call, [base], ['--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      verified: false,
      chain: [{ role: 'for' }, { role: 'by' }, { role: 'via' }],
      hops: [{ from: 'base-1', to: 'call-1', dropped: ['orders:read'], widened: [], lifetime: 60 }],
    })
  })

  test.each([
    {
      why: 'a parent that is none',
      claims: call,
      parents: [next],
      code: 7,
      stderr: /"call-2" is no ancestor/,
    },
    { why: 'nobody who acts', claims: { sub: 'a' }, parents: [], code: 6, stderr: /names nobody/ },
  ])('fails on $why', async ({ claims, parents, code, stderr }) => {
    const run = await chain(claims, parents)
    expect(run).toMatchObject({ code, stderr: expect.stringMatching(stderr) })
  })
})

describe('authsec token decode of other tokens', () => {
  const JWE = `${encode('{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}')}.a2V5.aXY.dGV4dA.dGFn`

  test('shows the header of an encrypted one and says that the rest is not for us', async () => {
    expect(await runCli(['token', 'decode', JWE])).toEqual({
      code: 0,
      stderr: '',
      stdout: `NOT VERIFIED  encrypted: its recipient alone can read the claims

header
  alg  RSA-OAEP-256
  enc  A256GCM
  cty  JWT
`,
    })
    const { stdout } = await runCli(['token', 'decode', JWE, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ verified: false, kind: 'encrypted', claims: null })
    expect(await runCli(['token', 'decode', JWE, '--claims'])).toMatchObject({ code: 16, stdout: '' })
  })

  test('shows a token inside a token', async () => {
    const outer = `${encode('{"alg":"RS256","cty":"JWT"}')}.${encode(TOKEN)}.c2ln`
    const { code, stdout } = await runCli(['token', 'decode', outer])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^header\n {2}alg {2}RS256\n {2}cty {2}JWT\n\ninner header\n {2}alg {2}ES256/m)
    expect(stdout).toMatch(/^inner claims\n {2}iss +http:\/\/127/m)
    const deep = [1, 2, 3].reduce((token) => `${encode('{"alg":"RS256"}')}.${encode(token)}.c2ln`, TOKEN)
    expect(await runCli(['token', 'decode', deep])).toMatchObject({ code: 16, stdout: '' })
  })

  test('reads 64 KiB and not a byte more', async () => {
    const head = `${encode('{"alg":"RS256"}')}.`
    const claims = (size: number) => encode(JSON.stringify({ a: 'x'.repeat(size) }))
    const fits = `${head}${claims(48_000)}.c2ln`
    expect(await runCli(['token', 'decode', '-'], { stdin: fits })).toMatchObject({ code: 0 })
    const long = `${head}${claims(49_150)}.c2ln`
    expect(await runCli(['token', 'decode', '-'], { stdin: long })).toMatchObject({ code: 16, stdout: '' })
  })
})

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function colourBefore(painted: string, title: string): string | undefined {
  return new RegExp(`\u001b\\[(\\d+)m${title}\u001b`).exec(painted)?.[1]
}

function twice(): string {
  const parts = ['{"alg":"ES256"}', '{"sub":"a","sub":"b"}'].map((text) =>
    Buffer.from(text).toString('base64url'),
  )
  return `${parts.join('.')}.c2ln`
}
