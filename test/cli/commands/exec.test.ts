import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { parseJwt } from '../../../src/core/jwt.js'
import { type RunningServer, startServer } from '../../../src/server/index.js'
import { buildCommand, startCommand } from '../../support/built-command.js'
import { runCli } from '../../support/run-cli.js'

const BILLING = 'https://billing.example'

let directory: string
let script: string
let server: RunningServer
let report: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authsec-exec-'))
  script = await buildCommand(directory)
  server = await startServer({ state: ':memory:', port: 0 })
})
beforeEach(async () => {
  report = join(await mkdtemp(join(directory, 'run-')), 'report.json')
})
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

const environment = () => ({
  AUTHSEC_SERVER: server.url,
  AUTHSEC_CLIENT_ID: server.clientId,
  AUTHSEC_TENANT: server.tenantId,
})
const exec = (args: readonly string[], env: Record<string, string> = {}) =>
  startCommand(script, ['exec', '--audience', BILLING, ...args], { ...environment(), ...env })

/** A program that writes down what it was given, and then does something. */
const child = (then = '') => [
  '--',
  process.execPath,
  '-e',
  `const fs = require('node:fs');
  const token = process.env.AUTHSEC_DELEGATION_TOKEN, file = process.env.AUTHSEC_DELEGATION_TOKEN_FILE;
  const write = (more) => fs.writeFileSync(${JSON.stringify(report)} + '.new', JSON.stringify({ token, file,
    content: file && fs.readFileSync(file, 'utf8'), mode: file && fs.statSync(file).mode & 0o777, env: process.env,
    ...more }));
  const show = () => fs.renameSync(${JSON.stringify(report)} + '.new', ${JSON.stringify(report)});
  write(); show(); ${then}`,
]
const readReport = async () => JSON.parse(await readFile(report, 'utf8'))
/** The ids of the tokens to which this has happened. */
const listTokens = async (type: 'token.exchanged' | 'token.revoked') => {
  const headers = { authorization: `Bearer ${server.adminToken}` }
  const response = await fetch(
    `${server.url}/audit/events?filter=type=${type}&filter=outcome=allow&last=100`,
    { headers },
  )
  const { events } = (await response.json()) as { events: { event: { jti?: string } }[] }
  return events.map(({ event }) => event.jti)
}
/** Whether the log says that this very token was revoked. */
const isRevoked = async (token: string) =>
  (await listTokens('token.revoked')).includes(parseJwt(token).claims['jti'] as string)
describe('authsec exec', () => {
  test('lends a call token by the environment, prints it nowhere, and revokes it at the end', async () => {
    const run = await exec(child("process.stdout.write('out'); process.stderr.write('err')"), {
      AUTHSEC_TOKEN: 'session-of-an-admin',
      AUTHSEC_KEK: 'kek',
      authsec_token: 'the same, as Windows sees it',
    })
    const ended = await run.ended
    expect(ended).toEqual({ code: 0, stdout: 'out', stderr: 'err' })
    const { token, file, env } = await readReport()
    expect(parseJwt(token).claims).toMatchObject({ aud: BILLING })
    expect(file).toBeUndefined()
    expect(await isRevoked(token)).toBe(true)
    expect(JSON.stringify(env)).not.toMatch(/session-of-an-admin|"kek"|the same/)
  })

  test('lends it by a file that only its owner can read, and takes the file back', async () => {
    const run = await exec(['--as', 'file', ...child()])
    expect(await run.ended).toMatchObject({ code: 0 })
    const { token, file, content, mode } = await readReport()
    expect(token).toBeUndefined()
    expect(mode).toBe(0o600)
    expect(await isRevoked(content)).toBe(true)
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('keeps the file fresh, and revokes every token that still lives', async () => {
    const first = 'const before = fs.readFileSync(file, "utf8");'
    const wait = `const timer = setInterval(() => {
      const after = fs.readFileSync(file, 'utf8');
      if (after !== before) { write({ before, after }); show(); clearInterval(timer) }
    }, 20)`
    const run = await exec(['--as', 'file', '--ttl', '3s', ...child(first + wait)])
    expect(await run.ended).toMatchObject({ code: 0 })
    const { before, after } = await readReport()
    expect(parseJwt(after).claims['jti']).not.toBe(parseJwt(before).claims['jti'])
    expect(await isRevoked(after)).toBe(true)
  })

  test('says that a new token has no place any more, and revokes what nobody could read', async () => {
    const before = await listTokens('token.exchanged')
    const spoil = `const place = require('node:path').dirname(file);
      fs.rmSync(place, { recursive: true }); fs.writeFileSync(place, ''); process.stdin.resume()`
    const run = await exec(['--as', 'file', '--ttl', '3s', ...child(spoil)])
    await expect.poll(() => listTokens('token.exchanged')).toHaveLength(before.length + 2)
    run.input('')
    expect(await run.ended).toEqual({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^warning: the token could not be renewed: ".+" cannot be written /),
    })
    const given = (await listTokens('token.exchanged')).filter((jti) => !before.includes(jti))
    expect(await listTokens('token.revoked')).toEqual(expect.arrayContaining(given))
  })

  test('names its file so that a program finds it which has gone elsewhere', async () => {
    const place = dirname(report)
    const run = await exec(['--as', 'file', ...child()], { TMPDIR: relative(process.cwd(), place) })
    expect(await run.ended).toMatchObject({ code: 0 })
    const { file } = await readReport()
    expect(dirname(dirname(file))).toBe(place)
  })

  test('says where there is no place for its file', async () => {
    const run = await exec(['--as', 'file', ...child()], { TMPDIR: '/nowhere/at-all' })
    expect(await run.ended).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'authsec: "/nowhere/at-all" cannot be written (ENOENT)\nhint: Set TMPDIR to a directory where you may write.\n',
    })
  })

  test('does not end the delegation when it lends the base token', async () => {
    const run = await startCommand(script, ['exec', ...child()], environment())
    expect(await run.ended).toMatchObject({ code: 0 })
    const { token } = await readReport()
    const pulled = await fetch(
      `${server.url}/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`,
    )
    expect(await pulled.json()).toMatchObject({ token })
  })

  test.each([0, 1, 2, 3, 125, 255])('passes on the exit code %d', async (code) => {
    const run = await exec(child(`process.exitCode = ${code}`))
    expect(await run.ended).toMatchObject({ code })
  })

  test.each([
    { signal: 'SIGTERM', code: 143 },
    { signal: 'SIGINT', code: 130 },
    { signal: 'SIGHUP', code: 129 },
  ] as const)('passes on $signal, waits for the program, and revokes', async ({ signal, code }) => {
    const run = await exec(child('setInterval(() => {}, 1000)'))
    await vi.waitFor(readReport, { timeout: 60_000, interval: 50 })
    run.signal(signal)
    expect(await run.ended).toMatchObject({ code, stderr: '' })
    expect(await isRevoked((await readReport()).token)).toBe(true)
  })

  // As in `echo yes | authsec exec -- terraform apply`: the second Ctrl-C that a program sees kills its work.
  test.each([
    { tty: { stdin: true }, times: 0 },
    { tty: { stdout: true }, times: 0 },
    { tty: { stderr: true }, times: 0 },
    { tty: {}, times: 1 },
  ])('lets Ctrl-C come once, from a terminal itself: $tty', async ({ tty, times }) => {
    const counting = child(`let times = 0; process.on('SIGINT', () => times++);
      process.on('SIGUSR2', () => process.exit(10 + times)); write({ listens: true }); show();
      setInterval(() => {}, 1000)`)
    const run = runCli(['exec', '--audience', BILLING, ...counting], { env: environment(), fetch, tty })
    await vi.waitFor(async () => expect(await readReport()).toMatchObject({ listens: true }), {
      timeout: 60_000,
      interval: 50,
    })
    process.emit('SIGINT', 'SIGINT')
    process.emit('SIGUSR2', 'SIGUSR2')
    expect(await run).toMatchObject({ code: 10 + times })
  })

  // Node would take it for the wish to be debugged, and open a port where everybody on this machine can read the token.
  test('passes on SIGUSR1', async () => {
    const run = await exec(
      child(
        "process.on('SIGUSR1', () => process.exit(7)); write({ listens: true }); show(); setInterval(() => {}, 1000)",
      ),
    )
    await vi.waitFor(async () => expect(await readReport()).toMatchObject({ listens: true }), {
      timeout: 60_000,
      interval: 50,
    })
    run.signal('SIGUSR1')
    expect(await run.ended).toMatchObject({ code: 7, stderr: '' })
  })

  test.each([
    {
      why: 'there is no such program',
      words: ['--', '/nowhere/at-all'],
      code: 125,
      says: /could not be started: there is no such program/,
    },
    { why: 'it may not be run', words: ['--', '/etc/passwd'], code: 125, says: /it may not be run/ },
    { why: 'its name is empty', words: ['--', ''], code: 125, says: /"" could not be started: there is no/ },
    { why: 'it would lie in a file', words: ['--', '/etc/passwd/x'], code: 125, says: /started: ENOTDIR/ },
    { why: 'there is no program', words: [], code: 2, says: /missing required argument 'command'/ },
    {
      why: 'the variable cannot be one',
      words: ['--variable', 'A B', '--', 'true'],
      code: 2,
      says: /cannot name a variable/,
    },
    {
      why: 'the permission is beyond the policy',
      words: ['--permission', 'billing:own', '--', 'true'],
      code: 5,
      says: /billing:own/,
    },
  ])('ends with $code when $why', async ({ words, code, says }) => {
    const run = await exec(words)
    const ended = await run.ended
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) })
    expect(ended.stderr).not.toContain('eyJ')
  })

  test('in GitHub Actions masks the token before anything else can print it', async () => {
    const run = await exec(child("process.stderr.write('later')"), { GITHUB_ACTIONS: 'true' })
    const { stderr } = await run.ended
    expect(stderr).toBe(`::add-mask::${(await readReport()).token}\nlater`)
  })
})
