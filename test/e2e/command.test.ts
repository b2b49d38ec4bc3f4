import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openShell, type Shell } from './shell.js'

let shell: Shell

beforeAll(() => {
  shell = openShell()
})

afterAll(() => shell.close())

/** Everything below needs no server. */
const HEADER = encode({ alg: 'ES256', typ: 'at+jwt' })
const TOKEN = `${HEADER}.${encode({ sub: 'alice\u202e', exp: 1_000_000_000, x: 1e20 })}.${'A'.repeat(86)}`

describe('the installed command', () => {
  test('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await shell.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('leaves nothing in the folder that everybody shares', async () => {
    const shared = mkdtempSync(path.join(tmpdir(), 'authsec-shared-'))
    try {
      await shell.run(['--version'], { env: { TMPDIR: shared } })
      expect(readdirSync(shared)).toEqual([])
    } finally {
      rmSync(shared, { recursive: true })
    }
  })

  test('prints its help on standard output when asked for it', async () => {
    const { code, stdout, stderr } = await shell.run(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('authsec demo')
    expect(stdout.indexOf('Examples')).toBeLessThan(stdout.indexOf('Flags'))
  })

  test.each([
    { why: 'an unknown command', args: ['tokn'], stderr: /unknown command 'tokn'\nhint: Did you mean token/ },
    {
      why: 'a command of another group',
      args: ['mint'],
      stderr: /unknown command 'mint'\nhint: .*token mint/,
    },
    { why: 'an unknown flag', args: ['token', 'mint', '--nope'], stderr: /unknown option '--nope'\nhint: / },
    {
      why: 'a flag without its value',
      args: ['token', 'mint', '--audience'],
      stderr: /--audience.*\nhint: /,
    },
    { why: 'an unknown help topic', args: ['help', 'constructor'], stderr: /"constructor"\nhint: / },
    {
      why: 'a lifetime beyond the maximum',
      args: ['token', 'mint', '--audience', 'https://a.example', '--ttl', '301'],
      stderr: /--ttl "301" is more than the 5m/,
    },
    {
      why: 'a host that others can reach',
      args: ['dev', 'serve', '--host', '0.0.0.0'],
      stderr: /"0\.0\.0\.0" is not an address of this machine alone\nhint: /,
    },
    {
      why: 'a token as an argument',
      args: ['token', 'verify', TOKEN],
      stderr: /every process.*\nhint: Pipe/,
    },
  ])('exits 2 for $why and prints nothing on standard output', async ({ args, stderr }) => {
    const run = await shell.run(args)
    expect(run).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(/^authsec: /) })
    expect(run.stderr).toMatch(stderr)
    expect(run.stderr).not.toContain(HEADER)
  })

  test('exits 2 for a group without a command and explains on standard error', async () => {
    const { code, stdout, stderr } = await shell.run(['token'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('mint')
  })

  test('reports an error as one JSON object when asked for JSON', async () => {
    const { code, stdout, stderr } = await shell.run(['token', 'decode', '-', '--json'], {
      stdin: 'nonsense',
    })
    expect({ code, stdout }).toEqual({ code: 16, stdout: '' })
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'token_malformed', retryable: false } })
  })

  test('decodes a token without trusting it', async () => {
    const { code, stdout, stderr } = await shell.run(['token', 'decode', '-'], { stdin: `Bearer ${TOKEN}\n` })
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toMatch(/^NOT VERIFIED /)
    expect(stdout).toContain('2001-09-09T01:46:40Z')
    expect(stdout).toContain('\\u202e')
    expect(stdout).not.toContain('\u202e')
    expect(stderr).not.toContain(HEADER)
  })

  test.each([
    { what: 'nothing', stdin: '' },
    { what: 'a word', stdin: 'garbage' },
    { what: 'bytes that are not text', stdin: Buffer.from([0xff, 0xfe, 0x00, 0x2e, 0x2e]) },
    { what: '10 MB', stdin: 'a'.repeat(10_000_000) },
    { what: '10 MB of a token', stdin: `${HEADER}.${'A'.repeat(10_000_000)}.AAAA` },
  ])('exits 16 for $what instead of a token', async ({ stdin }) => {
    for (const verb of ['decode', 'verify']) {
      const flags = verb === 'verify' ? ['--audience', 'https://a.example'] : []
      const run = await shell.run(['token', verb, '-', ...flags], {
        stdin,
        env: { AUTHSEC_SERVER: 'http://127.0.0.1:9' },
      })
      expect(run).toMatchObject({ code: 16, stdout: '' })
      expect(run.stderr).toMatch(/^authsec: .+\nhint: /)
      expect(run.stderr.length).toBeLessThan(1_000)
    }
  })

  test('exits 20 when the server cannot be reached', async () => {
    const env = {
      AUTHSEC_SERVER: 'http://127.0.0.1:9',
      AUTHSEC_CLIENT_ID: '00000000-0000-4000-8000-000000000000',
    }
    const run = await shell.run(['token', 'mint', '--audience', 'https://billing.example'], { env })
    expect(run).toEqual({ code: 20, stdout: '', stderr: expect.stringMatching(/^authsec: .*127\.0\.0\.1:9/) })
  })

  test('never prompts where there is no terminal', async () => {
    const run = await shell.run(['client', 'list'])
    expect(run.stdout).toBe('')
    expect([2, 4]).toContain(run.code)
    expect(run.stderr).toMatch(/^authsec: .+\nhint: /)
  })

  test('ends quietly when its reader goes away', async () => {
    const script = 'set -o pipefail; "$NODE" "$COMMAND" help --json | head -c 1; echo $?'
    const { stdout, stderr } = await execa('bash', ['-c', script], {
      env: { ...shell.env, NODE: process.execPath, COMMAND: shell.command },
      extendEnv: false,
    })
    expect({ stdout, stderr }).toEqual({ stdout: '{0', stderr: '' })
  })

  test('prints no colour into a pipe, and colour when told to', async () => {
    const plain = await shell.run(['token', 'decode', '-'], { stdin: TOKEN })
    const colored = await shell.run(['--color', 'always', 'token', 'decode', '-'], { stdin: TOKEN })
    expect(plain.stdout).not.toContain('\u001b[')
    expect(colored.stdout).toContain('\u001b[')
  })

  test('prints the warning of Node about colours never', async () => {
    const run = await shell.run(['--version'], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } })
    expect(run).toMatchObject({ code: 0, stderr: '' })
  })
})

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
