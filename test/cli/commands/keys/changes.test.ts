import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RunOptions, runCli } from '../../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../../support/running-server.js'

interface KeyRow {
  kid: string
  state: string
  purpose: string
  alg: string
}

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.close())

const run = (args: readonly string[], options: RunOptions = {}) =>
  runCli(['keys', ...args], {
    env: { AUTHSEC_SERVER: server.url, AUTHSEC_TOKEN: server.adminToken },
    fetch,
    clock: { now: () => server.now },
    ...options,
  })
const list = async (...args: string[]): Promise<KeyRow[]> =>
  JSON.parse((await run(['list', '--json', ...args])).stdout)
const find = async (state: string, purpose = 'call') =>
  (await list('--purpose', purpose)).find(
    (key) => key.state === state && (purpose !== 'call' || key.alg === 'ES256'),
  )?.kid ?? ''

describe('authsec keys list', () => {
  test('shows every key that is in use, with its next step', async () => {
    const { code, stdout } = await run(['list'])
    expect(code).toBe(0)
    expect(stdout.split('\n').filter((line) => line !== '')).toHaveLength(10)
    const kid = await find('active', 'base')
    expect(stdout).toContain(`${kid}\tbase\tRS256\tactive\t2026-11-24T09:00:00Z\t\n`)
  })

  test('tells a person what comes next for a key, and when', async () => {
    const read = async (purpose: string) =>
      (await run(['list', '--purpose', purpose], { tty: true, columns: 160 })).stdout
    const sessions = await read('session')
    expect(sessions).toMatch(/KID +PURPOSE +ALG +STATE +SINCE +NEXT STEP\n/)
    expect(sessions).toMatch(/session +HS256 +active +1 second ago +replaced in 29 days\n/)
    // It may sign at once, and does not before the active one goes.
    expect(sessions).toMatch(/session +HS256 +prepared +1 second ago +signs after the next rotation\n/)
    expect(await read('base')).toMatch(/base +RS256 +active +1 second ago +replaced by hand only\n/)
    expect(await read('call')).toMatch(/call +ES256 +prepared +1 second ago +may sign in 10 minutes\n/)
    server.now += 660_000
    expect(await read('call')).toMatch(/ES256 +prepared +11 minutes ago +signs after the next rotation\n/)
    await run(['rotate', '--purpose', 'call'])
    expect(await read('call')).toMatch(/ES256 +retiring +\S+.*? +gone in 5 minutes\n/)
  })

  test('leaves out what is gone unless it is asked for', async () => {
    const kid = await find('active')
    await run(['revoke', kid, '--confirm', kid])
    expect((await list()).map((key) => key.kid)).not.toContain(kid)
    expect((await list('--all')).map((key) => key.kid)).toContain(kid)
  })
})

describe('authsec keys prepare, activate and rotate', () => {
  test('say what became of each key', async () => {
    const old = await find('active', 'session')
    const next = await find('prepared', 'session')
    const { code, stdout } = await run(['rotate', '--purpose', 'session'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(
        `^${old}\tsession\tHS256\tretiring\n${next}\tsession\tHS256\tactive\n\\S+\tsession\tHS256\tprepared\n$`,
      ),
    )
  })

  test('activate the key that is named, in its time', async () => {
    const [key] = (await list('--purpose', 'call')).filter(
      ({ state, alg }) => state === 'prepared' && alg === 'RS256',
    )
    const kid = key?.kid ?? ''
    expect(await run(['activate', kid])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('may sign in 660 seconds'),
    })
    server.now += 660_000
    expect(await run(['activate', kid, '--json'])).toMatchObject({ code: 0 })
  })

  // Some of these letters are flags of every command: help, the version, quiet.
  test.each(['-h', '-V', '-q', '-u', '--'])('takes an id that begins with %s for an id', async (start) => {
    const kid = start.padEnd(43, 'Az-_09')
    const told = { code: 6, stderr: expect.stringContaining(`no key "${kid}"`) }
    expect(await run(['activate', kid])).toMatchObject(told)
    expect(await run(['activate', '--', kid])).toMatchObject(told)
    expect(await run(['revoke', kid, '--confirm', kid])).toMatchObject(told)
    expect(await run(['taint', '--confirm', kid, kid, '--json'])).toMatchObject({ code: 6 })
  })

  test.each([
    { args: ['prepare'], code: 7, says: 'is prepared already' },
    { args: ['rotate'], code: 7, says: 'may sign in 660 seconds' },
    { args: ['activate', 'nothing'], code: 6, says: 'no key "nothing"' },
    { args: ['rotate', '--purpose', 'tls'], code: 2, says: 'Allowed choices are' },
    { args: ['rotate', '--purpose', 'base'], code: 2, says: 'Add --confirm with the purpose' },
    { args: ['rotate', '--purpose', 'base', '--confirm', 'yes'], code: 2, says: '"yes" is not the purpose' },
    { args: ['taint', 'nothing'], code: 2, says: 'Add --confirm with the id of the key' },
    { args: ['taint', 'nothing', '--confirm', 'x'], code: 2, says: '"x" is not the id of the key' },
    { args: ['taint', 'nothing', '--confirm', 'nothing'], code: 6, says: 'no key "nothing"' },
    { args: ['revoke', 'nothing', '--confirm', 'nothing'], code: 6, says: 'no key "nothing"' },
  ])('are refused with $code: $args', async ({ args, code, says }) => {
    expect(await run(args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) })
  })

  test('warn that base tokens have no overlap, and let a person think again', async () => {
    const answered = (answer: string) =>
      run(['rotate', '--purpose', 'base'], { tty: true, answers: [answer] })
    expect(await answered('no')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^warning: AuthSec's bundle holds one key/),
    })
    const before = await find('active', 'base')
    expect(await answered('base')).toMatchObject({ code: 0 })
    expect(await find('active', 'base')).not.toBe(before)
  })
})

describe('authsec keys taint', () => {
  test('lists the live tokens that the key signed', async () => {
    const kid = await find('active')
    const { jti } = JSON.parse(atob((await server.exchange()).json.access_token.split('.')[1]))
    const { code, stdout, stderr } = await run(['taint', kid], {
      tty: { stdin: true, stderr: true },
      answers: [kid],
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^${jti}\ttoken.exchanged\t${server.clientId}\t\\S+\t2026-11-24T09:01:00Z\n$`),
    )
    expect(stderr).toContain(`${kid} (call, ES256) is tainted\n`)
    expect(stderr).toContain('1 token that it signed may still be alive:\n')
  })

  test('prints one object with --json', async () => {
    const kid = await find('active')
    const { stdout } = await run(['taint', kid, '--confirm', kid, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      changed: [{ kid, state: 'tainted' }, {}, {}],
      live_tokens: [],
      live_tokens_total: 0,
    })
  })
})
