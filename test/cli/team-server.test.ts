import { chmod, cp, mkdir, readdir, readFile, rm, rmdir, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { makeDirectory, type Run, runCli } from '../support/run-cli.js'

const ISSUER = 'https://authsec.example'
const ADMIN = 'ada@team.example'
const PASSWORD = 'correct horse battery'

let configuration: string
let state: string
let kek: string
let mark: string
beforeEach(async () => {
  const place = await makeDirectory()
  configuration = join(place, 'config')
  state = join(place, 'state')
  kek = join(place, 'kek')
  mark = join(place, 'mark')
  await writeFile(kek, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
})

const init = (args: readonly string[] = [], stdin = `${PASSWORD}\n`) =>
  runCli(
    ['dev', 'init', '--state', state, '--issuer', ISSUER, '--admin', ADMIN, '--kek-file', kek, ...args],
    { stdin, env: { AUTHSEC_CONFIG_DIR: configuration } },
  )

const TEAM = {
  roles: { member: ['billing:read'] },
  users: [{ email: 'bob@team.example', roles: ['member'] }],
  resources: [{ uri: 'https://billing.example', permissions: ['billing:read'] }],
  clients: [{ name: 'bot', client_type: 'ai_agent', agent_type: 'langchain' }, { name: 'tool' }],
  policies: [
    {
      role_name: 'member',
      agent_type: 'langchain',
      allowed_permissions: ['billing:read'],
      resources: ['https://billing.example'],
    },
  ],
  delegations: [{ client: 'bot', user: 'bob@team.example', audience: ['https://billing.example'] }],
}

async function writeSeed(content: object): Promise<string> {
  const seed = join(await makeDirectory(), 'seed.json')
  await writeFile(seed, JSON.stringify(content))
  return seed
}

/** Serves what init has made while `use` runs; returns how it ended. */
async function serve(
  use: (ready: { url: string }) => Promise<void>,
  args: readonly string[] = [],
): Promise<Run> {
  const keyboard = new AbortController()
  let resolve: (ready: { url: string }) => void = () => {}
  const ready = new Promise<{ url: string }>((settle) => {
    resolve = settle
  })
  const done = runCli(
    [
      'dev',
      'serve',
      '--mode',
      'shared',
      '--issuer',
      ISSUER,
      '--state',
      state,
      '--audit-high-water',
      mark,
      '--port',
      '0',
      '--json',
      ...args,
    ],
    {
      env: { AUTHSEC_CONFIG_DIR: configuration, AUTHSEC_KEK: Buffer.alloc(32, 7).toString('base64url') },
      clock: { now: Date.now },
      signal: keyboard.signal,
      onOutput: (stdout) => resolve(JSON.parse(stdout)),
    },
  )
  const ended = done.then((run) => Promise.reject(new Error(`it ended with ${run.code}: ${run.stderr}`)))
  await use(await Promise.race([ready, ended]))
  keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
  return done
}

function logIn(
  url: string,
  headers: Record<string, string> = {},
  who: object = { email: ADMIN, password: PASSWORD },
): Promise<Response> {
  return fetch(`${url}/authsec/uflow/auth/admin/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(who),
  })
}

describe("a team's server", () => {
  test('is made once and served, and writes no profile, no session and no key', async () => {
    expect(await init(['--password-stdin', '--json'])).toMatchObject({ code: 0 })
    const file = join(await makeDirectory(), 'ready.json')
    const run = await serve(
      async ({ url }) => {
        const ready = JSON.parse(await readFile(file, 'utf8'))
        expect(ready).toEqual({ url, pid: process.pid, tenant_id: expect.any(String), issuer: ISSUER })
        expect((await stat(file)).mode & 0o777).toBe(0o600)
        const metadata = await fetch(`${url}/.well-known/oauth-authorization-server`)
        expect(await metadata.json()).toMatchObject({ issuer: ISSUER, authsec_tenant: ready.tenant_id })
        expect((await logIn(url)).status).toBe(200)
        expect((await fetch(`${url}/dev/support`)).status).toBe(404)
        expect(await readdir(configuration).catch(() => [])).toEqual([])
      },
      ['--ready-file', file],
    )
    expect(run).toMatchObject({ code: 130, stderr: '' })
    expect(run.stdout).not.toContain('eyJ')
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(configuration).catch(() => [])).toEqual([])
    expect(await readdir(state)).not.toContain('kek')
  })

  test('counts its clients by what a trusted proxy says, and answers to the names it is given', async () => {
    await init(['--password-stdin'])
    const options = ['--trust-proxy', '127.0.0.1', '--allow-host', 'localhost', '--rate-limits', 'authsec']
    await serve(async ({ url }) => {
      const from = (address: string) => logIn(url, { 'x-forwarded-for': address })
      // At once, because the limit is one of time.
      const replies = await Promise.all(Array.from({ length: 6 }, () => from('192.0.2.1')))
      expect(replies.filter(({ status }) => status === 429)).toHaveLength(1)
      expect((await from('192.0.2.2')).status).toBe(200)
    }, options)
  })

  test('tells a person what it is, and warns where nothing is counted', async () => {
    await init(['--password-stdin'])
    const keyboard = new AbortController()
    const place = ['--state', state, '--audit-high-water', mark, '--kek-file', kek]
    const args = ['--mode', 'shared', '--issuer', ISSUER, ...place, '--port', '0', '--rate-limits', 'off']
    const run = await runCli(['dev', 'serve', ...args], {
      tty: true,
      signal: keyboard.signal,
      onComplaint: (text) => {
        if (text.includes('limits')) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
      },
    })
    expect(run).toMatchObject({ code: 130, stdout: '' })
    expect(run.stderr).toContain(`AuthSec server of ${ISSUER}\n`)
    expect(run.stderr).not.toContain('every process on this machine')
  })

  test('does not start on an earlier copy of its state directory, which would revive what has ended', async () => {
    await init(['--password-stdin'])
    await serve(async () => {})
    const earlier = `${state}.earlier`
    await cp(state, earlier, { recursive: true })
    await serve(async ({ url }) => {
      const { token } = (await (await logIn(url)).json()) as { token: string }
      const headers = { authorization: `Bearer ${token}` }
      await fetch(`${url}/authsec/auth/logout`, { method: 'POST', headers })
    })
    await rm(state, { recursive: true })
    await cp(earlier, state, { recursive: true })
    await expect(serve(async () => {})).rejects.toThrow(/ended with 7: .*dev recover/s)
  })

  test('does not start with a mark that comes back with its state directory', async () => {
    await init(['--password-stdin'])
    const link = `${state}.link`
    await symlink(state, link)
    for (mark of [join(state, 'mark'), join(state, 'not', 'made', 'mark'), join(link, 'mark')]) {
      const refusal = /ended with 2: .*lies in the state directory.*--audit-high-water/s
      await expect(serve(async () => {})).rejects.toThrow(refusal)
    }
  })

  test('does not start on a state that nobody has made, and says how', async () => {
    await expect(serve(async () => {})).rejects.toThrow(/ended with 2: .*empty.*authsec dev init/s)
  })
})

describe('dev init', () => {
  test('shows what it has made, and the command that serves it', async () => {
    const run = await init(['--password-stdin'])
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining(`issuer\t${ISSUER}\n`) })
    expect(run.stderr).toBe(
      `next: authsec dev serve --mode shared --issuer ${ISSUER} --state ${state} --kek-file ${kek} --audit-high-water FILE\n`,
    )
    expect(`${run.stdout}${run.stderr}`).not.toContain(PASSWORD)
  })

  test('shows that command as a shell takes it', async () => {
    state = join(dirname(state), "the team's state")
    expect((await init(['--password-stdin'])).stderr).toContain(
      ` --state '${dirname(state)}/the team'\\''s state' --kek-file ${kek} `,
    )
  })

  test('asks a person twice for the password, without showing it', async () => {
    const args = ['--state', state, '--issuer', ISSUER, '--admin', ADMIN, '--kek-file', kek]
    const asked = (answers: readonly string[]) =>
      runCli(['dev', 'init', ...args], { tty: true, answers, clock: { now: Date.now } })
    expect(await asked([PASSWORD, 'another horse battery'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the two passwords differ'),
    })
    expect(await asked([PASSWORD, PASSWORD])).toMatchObject({ code: 0 })
    await serve(async ({ url }) => expect((await logIn(url)).status).toBe(200))
  })

  test('takes people, roles and policies from a seed', async () => {
    const seed = join(await makeDirectory(), 'seed.json')
    const content = {
      roles: { owner: ['admin:access'], member: ['billing:read'] },
      users: [
        { email: ADMIN, roles: ['owner'] },
        { email: 'bob@team.example', roles: ['member'] },
      ],
    }
    await writeFile(seed, JSON.stringify(content))
    expect(await init(['--password-stdin', '--seed', seed])).toMatchObject({ code: 0 })
    await serve(async ({ url }) => expect((await logIn(url)).status).toBe(200))
  })

  test('takes a seed that lists no admin: the flag names one', async () => {
    const seed = await writeSeed({
      roles: { member: ['billing:read'] },
      users: [{ email: 'bob@team.example', roles: ['member'] }],
    })
    expect(await init(['--password-stdin', '--seed', seed])).toMatchObject({ code: 0 })
    await serve(async ({ url }) => expect((await logIn(url)).status).toBe(200))
  })

  test('says of a seed everything that is wrong, makes nothing, and takes the one that is right', async () => {
    const bad = structuredClone(TEAM)
    bad.delegations.push({ client: 'bot', user: 'bob@team.example', audience: ['https://zz'] })
    bad.delegations.push({ client: 'tool', user: 'bob@team.example', audience: ['authsec-api'] })
    const refused = await init(['--password-stdin', '--seed', await writeSeed(bad)])
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.stderr).toContain(
      'the seed has 2 faults: delegations[1].audience[0]: no resource "https://zz"',
    )
    expect(refused.stderr).toContain('delegations[2].client: client "tool" is no agent')
    await expect(readdir(state)).rejects.toThrow('ENOENT')
    expect(await init(['--password-stdin', '--seed', await writeSeed(TEAM)])).toMatchObject({ code: 0 })
  })

  test('gives people the passwords of files beside the seed, and says who has none', async () => {
    const content = structuredClone(TEAM)
    const users = [
      { email: 'bob@team.example', roles: ['member'], password_file: 'bob.password' },
      { email: 'eve@team.example', roles: ['member'] },
    ]
    const seed = await writeSeed({ ...content, users })
    const file = join(dirname(seed), 'bob.password')
    const password = 'bobs own battery'
    await writeFile(file, `${password}\n`, { mode: 0o644 })
    const open = await init(['--password-stdin', '--seed', seed])
    expect(open).toMatchObject({ code: 2 })
    expect(open.stderr).toContain(`users[0].password_file: "${file}" is open to others: chmod 600 it`)
    await chmod(file, 0o600)
    const wrongs = [
      { text: `${password}\nand another\n`, says: 'has more than one line' },
      { text: password.repeat(300), says: 'is larger than 4 KiB' },
    ]
    for (const { text, says } of wrongs) {
      await writeFile(file, text)
      const refused = await init(['--password-stdin', '--seed', seed])
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(says)])
      expect(refused.stderr).not.toContain(password)
    }
    await rm(file)
    const missing = await init(['--password-stdin', '--seed', seed])
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('cannot be read (ENOENT)')])
    await mkdir(file, { mode: 0o700 })
    const folder = await init(['--password-stdin', '--seed', seed])
    expect([folder.code, folder.stderr]).toEqual([2, expect.stringContaining('is no file')])
    await rmdir(file)
    await writeFile(file, `${password}\n`, { mode: 0o600 })
    const made = await init(['--password-stdin', '--seed', seed])
    expect(made).toMatchObject({ code: 0 })
    expect(made.stderr).toContain('unable to log in: eve@team.example\n')
    expect(`${made.stdout}${made.stderr}`).not.toContain(password)
    await serve(async ({ url }) => {
      const as = (email: string, secret: string) => logIn(url, {}, { email, password: secret })
      expect((await as('bob@team.example', password)).status).toBe(200)
      expect((await as('eve@team.example', password)).status).toBe(401)
    })
  })

  test('is refused the second time', async () => {
    await init(['--password-stdin'])
    expect(await init(['--password-stdin'])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('has been initialised already'),
    })
  })

  test.each([
    { why: 'no terminal and no --password-stdin', args: [], stdin: '', says: 'there is no terminal' },
    { why: 'an empty password', args: ['--password-stdin'], stdin: '\n', says: 'the password is empty' },
    { why: 'a short password', args: ['--password-stdin'], stdin: 'short\n', says: '10 to 1024 characters' },
    {
      why: 'a password of 5 KiB',
      args: ['--password-stdin'],
      stdin: 'x'.repeat(5_000),
      says: 'standard input is larger than 4 KiB\nhint: ',
    },
    {
      why: 'a seed that is not there',
      args: ['--password-stdin', '--seed', '/nowhere/seed.json'],
      stdin: PASSWORD,
      code: 6,
      says: 'there is no file "/nowhere/seed.json"\nhint: authsec help seed says',
    },
  ])('is refused with $why, and makes nothing', async ({ args, stdin, code = 2, says }) => {
    expect(await init(args, stdin)).toMatchObject({ code, stderr: expect.stringContaining(says) })
    await expect(readdir(state)).rejects.toThrow('ENOENT')
  })

  test('is refused when others can read the key', async () => {
    await chmod(kek, 0o644)
    expect(await init(['--password-stdin'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('chmod 600'),
    })
  })

  test('has no flag for a password', async () => {
    expect(await init(['--password', PASSWORD])).toMatchObject({ code: 2 })
  })
})
