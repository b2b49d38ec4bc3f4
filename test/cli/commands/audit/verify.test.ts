import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { joinEntries, splitEntries } from '../../../../src/core/log-tiles.js'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../../support/running-server.js'
import {
  createBundleFiles,
  createLogKey,
  createLogRecord,
  writeFiles,
} from '../../../support/sealed-bundle.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  for (let count = 0; count < 3; count++) await server.exchange()
})
afterAll(() => server.close())

/** Runs a command against the real server, as its admin, with a configuration of its own unless one is given. */
async function run(args: readonly string[], home?: string, options: RunOptions = {}) {
  const env = {
    AUTHSEC_SERVER: server.url,
    AUTHSEC_TOKEN: server.adminToken,
    ...(home && { AUTHSEC_CONFIG_DIR: home }),
  }
  return runCli(['audit', ...args], { env, fetch, ...options })
}

const readKey = async (): Promise<string> => (await server.call('GET', '/audit/log/keys')).json.verifier_key

async function exportBundle(): Promise<string> {
  const out = join(await makeDirectory(), 'bundle')
  expect(await run(['export', '--format', 'bundle', '--out', out])).toMatchObject({ code: 0, stdout: '' })
  return out
}

describe('authsec audit verify', () => {
  test('says of a log whose key nobody vouches for that it is linked, and lets it pass only where that is enough', async () => {
    const { code, stdout, stderr } = await run(['verify'])
    expect(code).toBe(19)
    expect(stdout).toContain('the key that the log names itself: nobody else vouches for it')
    expect(stdout.split('\n').at(-2)).toMatch(/^LINKED {2}everything up to \d+ hangs together/)
    expect(stdout).not.toContain('INTACT')
    expect(stderr).toMatch(/^authsec: the log hangs together, .+\nhint: Give the key with --key/)
    expect(await run(['verify', '--require', 'linked'])).toMatchObject({ code: 0, stderr: '' })
  })

  // Root writes where only the mode forbids it; there nobody makes files.
  test.runIf(process.platform === 'linux')('warns where what it has seen cannot be kept', async () => {
    const reading = await run(['search', '--limit', '1', '--json'], '/proc/self/fdinfo')
    expect(reading).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('warning: what was seen of the audit log cannot be kept in /proc/self'),
    })
    expect(JSON.parse(reading.stdout)).toHaveLength(1)
  })

  test('says INTACT with the key, and of which log', async () => {
    const { code, stdout, stderr } = await run(['verify', '--key', await readKey()])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      /^log {7}authsec\/[0-9a-f]{32} {3}key [0-9a-f]{8} \(Ed25519\), the key you supplied\n/,
    )
    expect(stdout).toMatch(/\nrecords {3}\d+ read {3}0 missing {3}0 altered {3}0 out of order\n/)
    expect(stdout).toMatch(/\nhistory {3}no anchor: /)
    expect(stdout.split('\n').at(-2)).toMatch(
      /^INTACT {2}everything up to \d+ is what was signed by the key you supplied/,
    )
  })

  test('remembers the key and the head of the first contact, and holds the next one against them', async () => {
    const home = await makeDirectory()
    await run(['verify', '--require', 'linked'], home)
    await server.exchange()
    const again = await run(['verify'], home)
    expect(again.stdout).toContain('the key known here since the first contact: nobody else vouches for it')
    expect(again.stdout).toMatch(/\nhistory {3}consistent with last contact@\d+\n/)
    // What one run has kept must not let the next one pass without anybody's doing.
    expect(again).toMatchObject({ code: 19, stdout: expect.stringContaining('\nLINKED  ') })
    const key = ['--key', await readKey()]
    expect(await run(['verify', '--require', 'anchored', ...key], home)).toMatchObject({ code: 0 })
    // A person has given it: from then on it is known.
    const later = await run(['verify', '--require', 'anchored'], home)
    expect(later).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the key that was supplied before'),
    })
  })

  test('is as clear to a program', async () => {
    const { code, stdout } = await run(['verify', '--json', '--key', await readKey()])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'INTACT',
      signature: 'good',
      key: { pinned: true },
      records: { missing: 0, altered: 0, out_of_order: 0 },
      fault: null,
      anchors: [],
      warnings: [],
    })
  })

  test('finds the event of a token that was given out a moment ago', async () => {
    const token = (await server.exchange()).json.access_token
    const args = ['verify', '--token', '-', '--key', await readKey()]
    const { code, stdout } = await run(args, undefined, { stdin: token })
    expect(code).toBe(0)
    expect(stdout).toMatch(/\ntoken {5}its event is record \d+\n/)
  })

  test('calls the event of a token suppressed that the log does not have', async () => {
    const other = await startTestServer()
    const token = (await other.exchange()).json.access_token
    await other.close()
    const args = ['verify', '--token', '-', '--key', await readKey()]
    const { code, stdout, stderr } = await run(args, undefined, { stdin: token })
    expect(code).toBe(19)
    expect(stdout).toContain('SUPPRESSED')
    expect(stderr).toMatch(/^authsec: the event [\w-]+ of the token is not in the log\n$/)
  })

  test('says of a token that was changed that it is not the one that was given out', async () => {
    const token: string = (await server.exchange()).json.access_token
    const [header, payload = '', signature] = token.split('.')
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), scope: 'everything' }
    const forged = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
    const args = ['verify', '--token', '-', '--key', await readKey()]
    const { code, stdout, stderr } = await run(args, undefined, { stdin: forged })
    expect(code).toBe(13)
    expect(stdout.split('\n').at(-2)).toMatch(/^INTACT/)
    expect(stderr).toMatch(/^authsec: record \d+, which the token names, is of another token\n/)
  })

  test('cannot tell of a token that is newer than a copy of the log', async () => {
    const out = await exportBundle()
    const token = (await server.exchange()).json.access_token
    const args = ['verify', out, '--token', '-', '--key', await readKey()]
    const { code, stdout, stderr } = await run(args, undefined, { stdin: token })
    expect(code).toBe(19)
    expect(stdout.split('\n').at(-2)).toMatch(/^INTACT/)
    expect(stderr).toMatch(/of the token was recorded: it is newer than this copy of the log\n/)
  })

  test.each([
    { flags: ['--event', 'x', '--token', '-'], named: '--token' },
    { flags: ['--event', 'x', '--checkpoint', '/nowhere'], named: '--checkpoint' },
    { flags: ['--event', 'x', '--require', 'anchored'], named: '--require anchored' },
  ])('refuses $named beside what it cannot be checked for', async ({ flags, named }) => {
    const { code, stderr } = await run(['verify', ...flags])
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining(`authsec: ${named} says nothing`),
    })
  })

  test.each([
    { why: 'a key that is none', args: ['--key', 'nonsense'], code: 2 },
    { why: 'a checkpoint that is not there', args: ['--checkpoint', '/nowhere'], code: 6 },
    { why: 'a bundle that is not there', args: ['/nowhere'], code: 6, hint: 'export --format bundle' },
    {
      why: 'a file that is no proof',
      args: ['package.json'],
      code: 16,
      hint: 'audit verify --event prints one',
    },
    {
      why: 'a file that is larger than a proof',
      args: [process.execPath],
      code: 16,
      hint: 'is larger than 256 KiB',
    },
    { why: 'a bundle and the server at once', args: ['bundle', '--remote'], code: 2 },
    { why: 'evidence that is none', args: ['--require', 'everything'], code: 2 },
    {
      why: 'an event that never was',
      args: ['--event', 'nothing'],
      code: 6,
      hint: 'search --fields seq,event.id',
    },
  ])('fails for $why', async ({ args, code, hint = '' }) => {
    const stderr = expect.stringContaining(hint)
    expect(await run(['verify', ...args])).toMatchObject({ code, stdout: '', stderr })
  })

  test('needs a session to read the records', async () => {
    const env = { AUTHSEC_SERVER: server.url }
    expect(await runCli(['audit', 'verify'], { env, fetch })).toMatchObject({ code: 4, stdout: '' })
  })
})

describe('a bundle', () => {
  test('verifies on another machine, without the server and with the key alone', async () => {
    const out = await exportBundle()
    const offline = await runCli(['audit', 'verify', out, '--key', await readKey()])
    expect(offline).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('\nINTACT  ') })
    expect(await runCli(['audit', 'verify', out])).toMatchObject({ code: 19 })
    const wrong = await runCli(['audit', 'verify', out, '--key', createLogKey('authsec/x').text])
    expect(wrong).toMatchObject({ code: 18, stdout: expect.stringContaining('\nKEY  ') })
  })

  test('that the log has outgrown since is whole where that is known, but not behind a head that was kept', async () => {
    const home = await makeDirectory()
    const out = join(home, 'bundle')
    await run(['export', '--format', 'bundle', '--out', out], home)
    await run(['verify', '--event', (await server.exchange()).json.authsec_audit], home)
    const head = join(home, 'head.txt')
    await run(['checkpoint', '--out', head], home)
    const { code, stdout } = await run(['verify', out, '--key', await readKey()], home)
    expect(code).toBe(0)
    expect(stdout).toMatch(/\nwarning {3}this copy is older than the last contact, at \d+ records\n/)
    expect(stdout.split('\n').at(-2)).toMatch(/^INTACT/)
    const held = await run(['verify', out, '--checkpoint', head], home)
    expect(held).toMatchObject({ code: 19, stdout: expect.stringContaining('\nTRUNCATED  ') })
  })

  test('is written into a new place only, and leaves nothing half-done behind', async () => {
    const directory = await makeDirectory()
    const out = join(directory, 'bundle')
    await mkdir(out)
    expect(await run(['export', '--format', 'bundle', '--out', out])).toMatchObject({ code: 7 })
    expect(await readdir(directory)).toEqual(['bundle'])
    expect(await readdir(out)).toEqual([])
  })

  test('that was changed is told in words, with the place and exit code 18', async () => {
    const out = await exportBundle()
    const [name = ''] = await readdir(join(out, 'tile/entries/000.p'))
    const path = join(out, 'tile/entries/000.p', name)
    const { entries } = splitEntries(await readFile(path))
    const changed = Buffer.from(Buffer.from(entries[2]!).toString().replace('allow', 'denied'))
    await writeFile(path, joinEntries(entries.with(2, changed)))
    const { code, stdout, stderr } = await runCli(['audit', 'verify', out, '--key', await readKey()])
    expect(code).toBe(18)
    expect(stderr).toBe('authsec: record 2 is not what was signed\n')
    expect(stdout).toMatch(
      /\nfinding {3}altered at record 2\nexpected {2}[0-9a-f]{64}\nactual {4}[0-9a-f]{64}\ngood {6}0 … 1, 3 … \d+\nproves /,
    )
    expect(stdout.split('\n').at(-2)).toBe('ALTERED  record 2 is not what was signed')
  })

  test('with terminal escapes in it reaches no terminal raw', async () => {
    const origin = 'authsec/\u009b31m\u202e'
    const out = join(await makeDirectory(), 'bundle')
    const key = createLogKey()
    const files = createBundleFiles([createLogRecord(0, { occurred_at: '\u001b[31m' })], [key])
    const note = Buffer.from(files.get('checkpoint')!)
      .toString()
      .replace('authsec/0123456789abcdef\n', `${origin}\n`)
    await writeFiles(out, new Map(files).set('checkpoint', Buffer.from(note)))
    for (const flags of [[], ['--json']]) {
      const { stdout, stderr } = await runCli(['audit', 'verify', out, ...flags])
      for (const raw of ['\u001b', '\u009b', '\u202e']) expect(stdout + stderr).not.toContain(raw)
    }
  })
})

describe('the proof of an event', () => {
  test('is printed, and holds anywhere with the key', async () => {
    const id = (await server.exchange()).json.authsec_audit
    const key = await readKey()
    const { code, stdout, stderr } = await run(['verify', '--event', id, '--key', key])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /)
    expect(stderr).toMatch(/^record \d+ of \d+ in authsec\/[0-9a-f]{32}, signed by the key you supplied\n$/)

    const file = join(await makeDirectory(), 'event.tlog-proof')
    await writeFile(file, stdout)
    const offline = await runCli(['audit', 'verify', file, '--key', key])
    expect(offline.code).toBe(0)
    expect(JSON.parse(offline.stdout)).toMatchObject({ id, type: 'token.exchanged' })
    expect(await runCli(['audit', 'verify', file])).toMatchObject({ code: 19 })
    expect(await runCli(['audit', 'verify', file, '--key', createLogKey().text])).toMatchObject({ code: 18 })
    for (const flags of [
      ['--event', 'nope'],
      ['--token', '-'],
      ['--checkpoint', file],
      ['--require', 'anchored'],
    ]) {
      const refused = await runCli(['audit', 'verify', file, '--key', key, ...flags])
      expect(refused).toMatchObject({ code: 2, stdout: '' })
    }
    for (const forged of [
      stdout.replace(/index \d+/, 'index 0'),
      stdout.replace(/^extra .+$/m, `extra ${Buffer.from('no JSON').toString('base64')}`),
    ]) {
      await writeFile(file, forged)
      expect(await runCli(['audit', 'verify', file, '--key', key])).toMatchObject({ code: 18 })
      const { code, stdout: told } = await runCli(['audit', 'verify', file, '--key', key, '--json'])
      expect({ code, ...JSON.parse(told) }).toMatchObject({ code: 18, holds: false })
    }
  })

  test('is looked for no longer than there are records, whatever the head of a bundle says', async () => {
    const checkpoint = join(await exportBundle(), 'checkpoint')
    const note = await readFile(checkpoint, 'utf8')
    await writeFile(checkpoint, note.replace(/\n\d+\n/, `\n${Number.MAX_SAFE_INTEGER}\n`))
    const run = await runCli(['audit', 'verify', dirname(checkpoint), '--event', 'nope'])
    expect(run).toMatchObject({ code: 19, stdout: '' })
  })

  test('comes out of a bundle as it comes from the server', async () => {
    const id = (await server.exchange()).json.authsec_audit
    const key = await readKey()
    await run(['verify', '--event', id, '--key', key])
    const out = await exportBundle()
    const fromBundle = await runCli(['audit', 'verify', out, '--event', id, '--key', key])
    const fromServer = await run(['verify', '--event', id, '--key', key])
    expect(fromBundle.code).toBe(0)
    // The record and its place; the head above it may have grown since the bundle was written.
    const place = /^c2sp\.org\/tlog-proof@v1\nextra .+\nindex \d+\n/
    expect(fromBundle.stdout).toMatch(place)
    expect(fromBundle.stdout.match(place)?.[0]).toBe(fromServer.stdout.match(place)?.[0])
    expect(await runCli(['audit', 'verify', out, '--event', 'nothing', '--key', key])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('search --fields seq,event.id'),
    })
  })
})

describe('authsec audit checkpoint', () => {
  test('prints the head as it was signed, and the key with which it is checked', async () => {
    // A proof of the newest event has it signed: from then on the head stays.
    const { events } = (await server.call('GET', '/audit/events?last=1', { admin: true })).json
    await server.call('GET', `/audit/events/${events[0].event.id}/proof`, { admin: true })
    const { code, stdout, stderr } = await run(['checkpoint'])
    expect(code).toBe(0)
    expect(stdout).toBe((await server.call('GET', '/audit/log/checkpoint')).text)
    expect(stderr).toBe(`signed with ${await readKey()}\n`)
  })

  test('writes it to a file that is an anchor later', async () => {
    const file = join(await makeDirectory(), 'head.txt')
    expect(await run(['checkpoint', '--out', file])).toMatchObject({ code: 0, stdout: '' })
    const { code, stdout } = await run([
      'verify',
      '--checkpoint',
      file,
      '--require',
      'anchored',
      '--key',
      await readKey(),
    ])
    expect(code).toBe(0)
    expect(stdout).toContain(`consistent with ${file}@`)
  })

  test('is an error there and then where the log is another one than at the last contact', async () => {
    const home = await makeDirectory()
    await run(['checkpoint'], home)
    const path = join(home, 'audit-logs.json')
    const before = await readFile(path, 'utf8')
    const [origin = '', known] = Object.entries(JSON.parse(before))[0] as [string, Record<string, string>]
    const [, size] = known['checkpoint']!.split('\n')
    const keep = (note: string) =>
      writeFile(path, JSON.stringify({ [origin]: { ...known, checkpoint: note } }))

    await keep(known['checkpoint']!.replace(`\n${size}\n`, '\n1000000\n'))
    const rolledBack = await run(['checkpoint'], home)
    expect(rolledBack).toMatchObject({ code: 19, stdout: '' })
    expect(rolledBack.stderr).toMatch(
      /^authsec: the audit log had 1000000 records when it was seen last, and now has \d+\n/,
    )

    await keep(known['checkpoint']!.replace(/\n.{44}\n/, `\n${Buffer.alloc(32, 1).toString('base64')}\n`))
    await server.exchange()
    expect(await run(['checkpoint'], home)).toMatchObject({ code: 18, stdout: '' })
    expect(await run(['verify'], home)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/audit-logs\.json" is not as it was signed\n/),
    })

    await writeFile(path, before.replace(known['verifier_key']!, createLogKey(origin).text))
    expect(await run(['checkpoint'], home)).toMatchObject({ code: 18, stdout: '' })
  })

  test('notices that the server has another log than at the last contact', async () => {
    const home = await makeDirectory()
    await run(['checkpoint'], home)
    const path = join(home, 'audit-logs.json')
    await writeFile(
      path,
      (await readFile(path, 'utf8')).replace(/authsec\/[0-9a-f]{32}": /, 'authsec/0123": '),
    )
    const { stdout } = await run(['verify', '--require', 'linked'], home)
    expect(stdout).toMatch(
      /\nwarning {3}this server had another log when it was seen last \(authsec\/0123, \d+ records\)/,
    )
  })
})

describe('a restored, rewritten or exchanged log', () => {
  const COMMANDS = ['search', 'export', 'tail --no-follow', 'show EVENT', 'trace EVENT', 'checkpoint']

  /** A configuration that has seen the log of the server, and what it keeps of it. */
  async function meet() {
    const home = await makeDirectory()
    await run(['checkpoint'], home)
    const path = join(home, 'audit-logs.json')
    const text = await readFile(path, 'utf8')
    const [origin = '', known] = Object.entries(JSON.parse(text))[0] as [string, Record<string, string>]
    const [, size = ''] = known['checkpoint']!.split('\n')
    const change = (from: string | RegExp, to: string) => writeFile(path, text.replace(from, to))
    return { home, size, origin, change }
  }

  async function runOn(command: string, home: string) {
    const id = (await server.exchange()).json.authsec_audit
    return run(command.replace('EVENT', id).split(' '), home)
  }

  test.each(COMMANDS)('that is shorter is noticed by audit %s, in words', async (command) => {
    const { home, size, change } = await meet()
    await change(`\\n${size}\\n`, '\\n1000000\\n')
    const { code, stderr } = await runOn(command, home)
    expect(stderr).toMatch(
      /authsec: the audit log had 1000000 records when it was seen last, and now has \d+\nhint: An older copy/,
    )
    expect(code).toBe(19)
  })

  test.each(COMMANDS)('that was rewritten is noticed by audit %s, in words', async (command) => {
    const { home, size, change } = await meet()
    await change(
      new RegExp(`\\\\n${size}\\\\n.{44}`),
      `\\n${size}\\n${Buffer.alloc(32, 1).toString('base64')}`,
    )
    const { code, stderr } = await runOn(command, home)
    expect(stderr).toMatch(/authsec: the audit log is another one than it was when it had \d+ records\n/)
    expect(code).toBe(18)
  })

  test.each(COMMANDS)('that is another one is told once by audit %s, in words', async (command) => {
    const { home, origin, change } = await meet()
    await change(`"${origin}": `, '"authsec/0123": ')
    const told =
      /^warning: this server had another log when it was seen last \(authsec\/0123, \d+ records\): it was reset/
    expect(await runOn(command, home)).toMatchObject({ code: 0, stderr: expect.stringMatching(told) })
    expect((await runOn(command, home)).stderr).not.toContain('another log')
  })
})
