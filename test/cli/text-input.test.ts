import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { ADMIN } from '../support/stub-server.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const EC_KEY = JSON.stringify(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
)

describe('standard input that is named twice', () => {
  const token = formatUnsignedJwt({ alg: 'ES256', typ: 'at+jwt' }, { iss: 'https://auth.example', sub: 'u' })
  const trusted = JSON.stringify([])

  test.each([
    { what: 'the token and its parent', args: ['token', 'decode', '-', '--chain', '--parent', '-'] },
    { what: 'two tokens', args: ['token', 'lint', '-', '-'] },
    { what: 'keys', args: ['keys', 'jwks', '-', '-'], stdin: EC_KEY },
    {
      what: 'rules and an identity',
      args: ['ci', 'oidc', '--explain', '--rules', '-', '--identity', '-'],
      stdin: trusted,
    },
  ])('is refused as $what', async ({ args, stdin = token }) => {
    expect(await runCli(args, { env: ADMIN, stdin })).toEqual({
      code: 2,
      stdout: '',
      stderr: `authsec: standard input cannot be both: it is named twice\nhint: Put one of them into a file.\n`,
    })
  })
})

describe('a file that is larger than what it may hold', () => {
  const call = ['--audience', 'https://billing.example', '--tool', 'refund', '--call']

  test.each([
    { what: 'declarations', args: ['policy', 'create', '--file'] },
    { what: 'the arguments of a call', args: ['token', 'mint', ...call], kib: 64 },
    { what: 'what lint passes over', args: ['token', 'lint', '-', '--suppressions'], isFileOnly: true },
    { what: 'a key', args: ['token', 'mint', '--local', '--key'], code: 16, isFileOnly: true },
    { what: 'keys', args: ['keys', 'jwks'], code: 16 },
    { what: 'the key that is believed', args: ['token', 'verify', '-', '--key'], isFileOnly: true },
    {
      what: 'the keys of an issuer',
      args: ['token', 'verify', '-', '--issuer', 'https://auth.example', '--jwks'],
      isFileOnly: true,
    },
    { what: 'a seed', args: ['dev', 'serve', '--ephemeral', '--seed'], isFileOnly: true },
    { what: 'a checkpoint', args: ['audit', 'verify', '--checkpoint'], kib: 128, code: 16, isFileOnly: true },
    { what: 'the keys of a client', args: ['client', 'update', 'billing-bot', '--jwks'], isFileOnly: true },
  ])(
    'is refused as $what, and told how large it may be',
    async ({ args, kib = 1024, code = 2, isFileOnly = false }) => {
      const file = join(await makeDirectory(), 'large')
      const text = ' '.repeat(kib * 1024 + 1)
      await writeFile(file, text)
      const refused = (said: string) => ({ code, stdout: '', stderr: `authsec: ${said}\n` })
      const stdin = formatUnsignedJwt({ alg: 'ES256' }, {})
      expect(await runCli([...args, file], { env: ADMIN, stdin })).toEqual(
        refused(`"${file}" is larger than ${kib} KiB\nhint: Check which file was meant.`),
      )
      if (isFileOnly) return
      expect(await runCli([...args, '-'], { env: ADMIN, stdin: text })).toEqual(
        refused(`standard input is larger than ${kib} KiB\nhint: Check what was piped in.`),
      )
    },
  )

  test('may be as large as the limit says', async () => {
    const file = join(await makeDirectory(), 'full')
    await writeFile(file, '[]'.padEnd(1024 * 1024))
    const run = await runCli(['policy', 'create', '--file', file], { env: ADMIN })
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('it declares no policy') })
  })

  test.skipIf(process.platform === 'win32')('may be one that never ends', async () => {
    expect(await runCli(['policy', 'create', '--file', '/dev/zero'], { env: ADMIN })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'authsec: "/dev/zero" is larger than 1024 KiB\nhint: Check which file was meant.\n',
    })
    expect((await runCli(['keys', 'jwks', '/dev/zero'])).code).toBe(16)
  })

  test('is told from one that cannot be read', async () => {
    const directory = await makeDirectory()
    expect(await runCli(['policy', 'create', '--file', directory], { env: ADMIN })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`"${directory}" cannot be read (EISDIR)\nhint: Check`),
    })
  })
})

describe('a file that is not there', () => {
  test.each([
    { args: ['policy', 'create', '--file'], hint: 'Check which file was meant.' },
    { args: ['keys', 'thumbprint'], hint: 'authsec keys generate --out FILE makes a key.' },
    {
      args: ['dev', 'serve', '--ephemeral', '--keys'],
      prefix: 'import=',
      hint: 'authsec keys generate --out FILE makes a key.',
    },
    {
      args: ['dev', 'serve', '--ephemeral', '--seed'],
      hint: 'authsec help seed says what one holds.',
    },
    {
      args: [
        ...['dev', 'init', '--state', '/nowhere/state', '--issuer', 'https://authsec.example'],
        ...['--admin', 'ada@team.example', '--password-stdin', '--seed'],
      ],
      hint: 'authsec help seed says what one holds.',
    },
    {
      args: ['audit', 'verify', '--checkpoint'],
      hint: 'authsec audit checkpoint --out FILE writes one.',
    },
  ])(
    'is named with the next step, with the exit code that the help lists, for $args',
    async ({ args, prefix = '', hint }) => {
      const file = join(await makeDirectory(), 'nothing')
      const env = { ...ADMIN, AUTHSEC_KEK: Buffer.alloc(32, 7).toString('base64') }
      expect(await runCli([...args, `${prefix}${file}`], { env, stdin: 'correct horse battery' })).toEqual({
        code: 6,
        stdout: '',
        stderr: `authsec: there is no file "${file}"\nhint: ${hint}\n`,
      })
      const help = JSON.parse((await runCli([...args.slice(0, 2), '--help', '--json'])).stdout)
      expect(help.exit_codes).toHaveProperty('6')
    },
  )

  test.each([
    { why: 'what is no directory does not hold', make: (file: string) => join(file, 'nothing') },
    { why: 'no file can have the name of', make: (file: string) => `${file}${'x'.repeat(300)}` },
  ])('is also one that $why', async ({ make }) => {
    const file = join(await makeDirectory(), 'file')
    await writeFile(file, '[]')
    expect(await runCli(['policy', 'create', '--file', make(file)], { env: ADMIN })).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('there is no file'),
    })
  })
})
