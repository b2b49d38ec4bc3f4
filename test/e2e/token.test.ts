import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DevServer, openShell, type Shell } from './shell.js'

const BILLING = 'https://billing.example'
const MINT = ['token', 'mint', '--audience', BILLING, '--permission', 'billing:read']
const VERIFY = ['token', 'verify', '-', '--audience', BILLING]

let shell: Shell
let server: DevServer
let token: string

beforeAll(async () => {
  shell = openShell()
  server = await shell.serve()
  token = (await run(MINT)).stdout
})

afterAll(() => shell.close())

describe('authsec token mint', () => {
  test('prints one token on standard output and nothing else', async () => {
    const { code, stdout, stderr } = await run(MINT)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]{86}\n$/)
  })

  test.each([
    { why: 'a permission outside the policy', args: [...MINT, '--permission', 'billing:refund'], code: 5 },
    {
      why: 'an API outside the delegation',
      args: ['token', 'mint', '--audience', 'https://evil.example'],
      code: 5,
    },
    {
      why: 'an unknown client',
      args: [...MINT, '--client', '00000000-0000-4000-8000-000000000000'],
      code: 6,
    },
    { why: 'a client of an unknown name', args: [...MINT, '--client', 'nobody'], code: 6 },
  ])('is refused $why with exit code $code', async ({ args, code }) => {
    const refused = await run(args)
    expect(refused).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^authsec: .+\nhint: .+\n$/) })
    expect(refused.stderr).not.toContain('eyJ')
  })
})

describe('authsec token decode', () => {
  test('shows header and claims of a minted token, times absolute and relative', async () => {
    const { code, stdout } = await run(['token', 'decode', '-'], token)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^NOT VERIFIED/)
    expect(stdout).toContain(BILLING)
    expect(stdout).toMatch(/exp .*\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z.*in \d+ seconds|in 1 minute/)
  })
})

describe('authsec token verify', () => {
  test('accepts the token where it belongs, and lists the checks', async () => {
    const { code, stdout } = await run([...VERIFY, '--permission', 'billing:read'], token)
    expect(code).toBe(0)
    expect(stdout.split('\n').length).toBeGreaterThan(5)
  })

  test.each([
    { why: 'another audience', flags: ['--audience', 'https://orders.example'], code: 14 },
    { why: 'another permission', flags: ['--audience', BILLING, '--permission', 'orders:read'], code: 14 },
  ])('exits $code for $why', async ({ flags, code }) => {
    const { code: actual, stdout } = await run(['token', 'verify', '-', ...flags], token)
    expect(actual).toBe(code)
    expect(stdout).not.toContain('eyJ')
  })

  test.each([
    { part: 'signature', index: 2 },
    { part: 'claims', index: 1 },
  ])('exits 13 when a bit of the $part was flipped', async ({ index }) => {
    const parts = token.trim().split('.')
    const bytes = Buffer.from(parts[index]!, 'base64url')
    // Inside a text of the claims, where the result is JSON still.
    const place = index === 1 ? bytes.indexOf('billing:read') : 10
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
    parts[index] = bytes.toString('base64url')
    const flipped = await run(VERIFY, parts.join('.'))
    expect(flipped.code).toBe(13)
  })

  test('exits 13 for a token of another server', async () => {
    const other = await shell.serve()
    const foreign = await shell.run(MINT, { env: other.env })
    expect([13, 14]).toContain((await run(VERIFY, foreign.stdout)).code)
    await other.stop()
  })

  test('exits 16 for garbage', async () => {
    expect(await run(VERIFY, 'garbage')).toMatchObject({ code: 16, stdout: '' })
  })

  test('exits 11 once the token has expired', async () => {
    const { stdout } = await run([...MINT, '--ttl', '1s'])
    const { exp } = readClaims(stdout)
    // The one thing only the real clock can show; the tolerance for a clock that is off counts as life.
    await expect
      .poll(async () => (await run([...VERIFY, '--leeway', '0'], stdout)).code, { timeout: 60_000 })
      .toBe(11)
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp)
  })
})

describe('authsec audit', () => {
  test('shows an issuance in a tail that is already running, and stops at Ctrl-C', async () => {
    const tail = shell.start(['audit', 'tail', '--type', 'token.exchanged', '-n', '1', '--json'], {
      env: server.env,
    })
    const readEvent = async (): Promise<{ event: { jti: string } }> => {
      // Between events a heartbeat says how far the log has been read.
      for (;;) {
        const line = JSON.parse(await tail.readLine())
        if (line.kind === 'event') return line
      }
    }
    const earlier = await readEvent()
    const { stdout } = await run(MINT)
    const next = await readEvent()
    expect(next.event.jti).toBe(readClaims(stdout).jti)
    expect(next).not.toEqual(earlier)
    const ended = await tail.stop('SIGINT')
    expect(ended.code).toBe(130)

    // What it says then goes on behind the last event, whatever has happened since.
    const later = await run(MINT)
    const { kind, resume } = JSON.parse(ended.stdout.trimEnd().split('\n').at(-1) ?? '')
    expect(kind).toBe('end')
    const rest = await run([...resume.replace(/^authsec /, '').split(' '), '--no-follow'])
    const events = rest.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ kind }) => kind === 'event')
    expect(events.map(({ event }) => event.jti)).toEqual([readClaims(later.stdout).jti])
  })

  test('tells a script whether something has happened', async () => {
    const { stdout } = await run(MINT)
    const wait = (jti: string) =>
      run(['audit', 'tail', '-n', '10', '--until-match', `type=token.exchanged jti=${jti}`, '--for', '1s'])
    expect((await wait(readClaims(stdout).jti)).code).toBe(0)
    expect((await wait('of-nobody')).code).toBe(8)
  })

  test('holds each issuance and each refusal, and no token', async () => {
    await run([...MINT, '--permission', 'billing:refund'])
    const { jti } = readClaims(token)
    const issued = await run(['audit', 'search', '--jti', jti, '--json'])
    const denied = await run(['audit', 'search', '--outcome', 'deny', '--json'])
    expect(JSON.stringify(readJson(issued.stdout))).toContain('"outcome":"allow"')
    expect(JSON.stringify(readJson(denied.stdout))).toContain('invalid_scope')
    expect(issued.stdout + denied.stdout).not.toContain('eyJ')
  })

  test('is not shown without a session', async () => {
    const { AUTHSEC_TOKEN: _, ...env } = server.env
    const { code, stdout } = await shell.run(['audit', 'search'], { env })
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
  })
})

async function run(args: readonly string[], stdin = '') {
  return await shell.run(args, { stdin, env: server.env })
}

function readClaims(jwt: string) {
  return JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString('utf8'))
}

function readLines(stdout: string): unknown[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function readJson(stdout: string): unknown {
  return stdout.startsWith('[') ? JSON.parse(stdout) : readLines(stdout)
}
