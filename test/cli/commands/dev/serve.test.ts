import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, inject, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { startServer } from '../../../../src/server/index.js'
import { makeDirectory, type Run, runCli } from '../../../support/run-cli.js'

interface Ready {
  url: string
  pid: number
  tenant_id: string
  client_id: string
  user: { id: string; email: string }
  issuer: string
}

interface RunningServe {
  ready: Ready
  directory: string
  stop(reason?: 'interrupted' | 'terminated'): Promise<Run>
}

/** Runs `dev serve --json` on a free port and waits until it is ready. */
async function serve(args: readonly string[] = ['--ephemeral'], directory?: string): Promise<RunningServe> {
  const configuration = directory ?? (await makeDirectory())
  const keyboard = new AbortController()
  let resolve: (ready: Ready) => void = () => {}
  const promise = new Promise<Ready>((settle) => {
    resolve = settle
  })
  const keys = args.includes('--keys') ? [] : ['--keys', `import=${await writeServerKeys()}`]
  const done = runCli(['dev', 'serve', '--port', '0', '--json', ...keys, ...args], {
    env: { AUTHSEC_CONFIG_DIR: configuration },
    clock: { now: Date.now },
    fetch: globalThis.fetch,
    signal: keyboard.signal,
    onOutput: (stdout) => resolve(JSON.parse(stdout)),
  })
  const ended = done.then((run) => Promise.reject(new Error(`it ended with ${run.code}: ${run.stderr}`)))
  return {
    ready: await Promise.race([promise, ended]),
    directory: configuration,
    stop(reason = 'interrupted') {
      keyboard.abort(new AuthsecError(reason, reason))
      return done
    },
  }
}

/** The RSA keys of a server, which take long to make, for where they are not what the test is about. */
async function writeServerKeys(): Promise<string> {
  const file = join(await makeDirectory(), 'keys.json')
  await writeFile(file, inject('serverKeys'), { mode: 0o600 })
  return file
}

function call(args: readonly string[], directory: string, stdin = ''): Promise<Run> {
  return runCli(args, {
    stdin,
    env: { AUTHSEC_CONFIG_DIR: directory },
    clock: { now: Date.now },
    fetch: globalThis.fetch,
  })
}

const MINT = ['token', 'mint', '--audience', 'https://billing.example', '--permission', 'billing:read']

describe('authsec dev serve', () => {
  test('prints one line when it is ready, without the session, and ends with 130 at Ctrl-C', async () => {
    const server = await serve()
    expect(server.ready).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      pid: process.pid,
      tenant_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      client_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user: { id: expect.any(String), email: expect.stringContaining('@') },
      issuer: server.ready.url,
    })
    const { code, stdout, stderr } = await server.stop()
    expect({ code, stderr, lines: stdout.split('\n').length }).toEqual({ code: 130, stderr: '', lines: 2 })
    await expect(fetch(server.ready.url)).rejects.toThrow()
  })

  test('pins the key of its audit log, so that the first verdict is about a known key', async () => {
    const server = await serve(['--state', join(await makeDirectory(), 'state')])
    const { code, stdout } = await call(['audit', 'verify', '--remote', '--json'], server.directory)
    expect([code, JSON.parse(stdout).verdict]).toEqual([0, 'INTACT'])
    const { stderr } = await server.stop()
    expect(stderr).toBe('')
  })

  test('says that its log is another one than somebody has met at its address, until that one is met', async () => {
    const place = await makeDirectory()
    const first = await serve(['--state', join(place, 'one')])
    const { directory, ready } = first
    const meet = () => call(['audit', 'checkpoint'], directory)
    expect(await meet()).toMatchObject({ code: 0 })
    await first.stop()
    const { port } = new URL(ready.url)
    const says =
      /^warning: this server had another log when it was seen last \(authsec\/[\da-f]{32}, \d+ records\): it was reset, or another/m
    const serveAgain = () => serve(['--state', join(place, 'two'), '--port', port], directory)
    const second = await serveAgain()
    expect(await meet()).toMatchObject({ code: 0, stderr: expect.stringMatching(says) })
    expect((await second.stop()).stderr).toMatch(says)
    expect((await (await serveAgain()).stop()).stderr).not.toContain('another log')
  })

  test('ends with 143 when it is terminated', async () => {
    const server = await serve()
    expect(await server.stop('terminated')).toMatchObject({ code: 143 })
  })

  test('shows a person what to paste, and what to beware of', async () => {
    const keyboard = new AbortController()
    const run = await runCli(['dev', 'serve', '--port', '0', '--ephemeral'], {
      env: { AUTHSEC_CONFIG_DIR: await makeDirectory() },
      tty: true,
      clock: { now: Date.now },
      signal: keyboard.signal,
      onComplaint: (stderr) => {
        if (stderr.includes('Ctrl-C')) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
      },
    })
    expect(run).toMatchObject({ code: 130, stdout: '' })
    for (const name of ['AUTHSEC_SERVER=http://127.0.0.1:', 'AUTHSEC_TENANT=', 'AUTHSEC_CLIENT_ID=']) {
      expect(run.stderr).toContain(`  export ${name}`)
    }
    expect(run.stderr).toContain('every process on this machine can act as every agent\n')
    expect(run.stderr).toMatch(/\naudit log signed by authsec\/[\da-f]{32}\+[\da-f]{8}\+\S+/)
    expect(run.stderr).toMatch(/\nstopping\n$/)
  })

  test('writes the ready file with the session for its owner only, and takes it back', async () => {
    const file = join(await makeDirectory(), 'ready.json')
    const server = await serve(['--ephemeral', '--ready-file', file])
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      ...server.ready,
      admin_token: expect.any(String),
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    await server.stop()
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('leaves a ready file alone that is another server\u2019s by now', async () => {
    const file = join(await makeDirectory(), 'ready.json')
    const server = await serve(['--ephemeral', '--ready-file', file])
    await writeFile(file, '{"admin_token":"another"}')
    await server.stop()
    expect(await readFile(file, 'utf8')).toBe('{"admin_token":"another"}')
  })

  test('serves what is dangerous when it is asked for by name, and says so', async () => {
    const running = await serve(['--ephemeral', '--quirks', 'renew,token-generate,renew'])
    const status = async (path: string) =>
      (await fetch(`${running.ready.url}${path}`, { method: 'POST', body: '' })).status
    expect(await status('/v1/jwt/renew')).toBe(400)
    expect(await status('/v1/jwt/issue-delegated')).toBe(404)
    const { stderr } = await running.stop()
    expect(stderr).toContain('dangerous habits of the real server are served: renew, token-generate\n')
  })

  test('refuses a quirk that it does not know, and lists those there are', async () => {
    const run = await call(['dev', 'serve', '--ephemeral', '--quirks', 'renew,x'], await makeDirectory())
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('"x" is not a quirk')
    expect(run.stderr).toContain('issue-delegated, renew, spire-audit-export, token-generate')
  })

  test('writes no profile when it is ephemeral', async () => {
    const server = await serve()
    expect(await readdir(server.directory)).toEqual([])
    await server.stop()
  })

  describe('with a state', () => {
    test('is what the other commands use, until it stops', async () => {
      const server = await serve(['--state', join(await makeDirectory(), 'state')])
      const minted = await call(MINT, server.directory)
      expect(minted).toMatchObject({ code: 0, stderr: `using profile dev (${server.ready.url})\n` })
      const verified = await call(
        ['token', 'verify', '--audience', 'https://billing.example'],
        server.directory,
        minted.stdout,
      )
      expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^VERIFIED {2}call token\n/) })
      const base = await call(['token', 'mint'], server.directory)
      expect(await call(['token', 'verify'], server.directory, base.stdout)).toMatchObject({ code: 0 })
      const log = await call(['audit', 'search', '--type', 'token.exchanged', '--json'], server.directory)
      expect(JSON.parse(log.stdout)).toMatchObject([
        { event: { type: 'token.exchanged', outcome: 'allow', client: server.ready.client_id } },
      ])
      await server.stop()
      expect(await call(MINT, server.directory)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('no server is given'),
      })
    })

    test('can be used by hand, from registration to a token and its end', async () => {
      const server = await serve(['--state', join(await makeDirectory(), 'state')])
      const run = (...args: string[]) => call(args, server.directory)
      const bot = await run(
        'client',
        'register',
        'ship-bot',
        '--type',
        'ai_agent',
        '--agent-type',
        'crewai',
        '--json',
      )
      expect(bot).toMatchObject({ code: 0, stderr: '' })
      const uri = 'https://shipping.example'
      const steps = [
        ['resource', 'create', uri, '--permission', 'billing:read'],
        [
          'policy',
          'create',
          '--role',
          'admin',
          '--agent-type',
          'crewai',
          '--permission',
          'billing:read',
          '--resource',
          uri,
          '--max-ttl',
          '8h',
        ],
        ['delegation', 'grant', 'ship-bot', '--ttl', '1h'],
        ['token', 'mint', '--client', 'ship-bot', '--audience', uri, '--permission', 'billing:read'],
        ['delegation', 'revoke', 'ship-bot', '--confirm', 'ship-bot'],
      ]
      const codes = []
      for (const step of steps) codes.push((await run(...step)).code)
      expect(codes).toEqual([0, 0, 0, 0, 0])
      expect(await run('token', 'mint', '--client', 'ship-bot')).toMatchObject({ code: 6, stdout: '' })
      expect(await run('token', 'mint', '--client', 'ship-bot', '--grant')).toMatchObject({ code: 0 })
      expect(JSON.parse((await run('client', 'show', 'ship-bot', '--json')).stdout)).toMatchObject({
        client_id: JSON.parse(bot.stdout).client_id,
      })
      await server.stop()
    })

    test('takes back its own profile only', async () => {
      const first = await serve(['--state', join(await makeDirectory(), 'one')])
      const second = await serve(['--state', join(await makeDirectory(), 'two')], first.directory)
      await first.stop()
      expect(await call(MINT, first.directory)).toMatchObject({
        code: 0,
        stderr: `using profile dev (${second.ready.url})\n`,
      })
      await second.stop()
    })

    test('gives back the profile of the server from which it took it', async () => {
      const first = await serve(['--state', join(await makeDirectory(), 'one')])
      expect(await call(['profile', 'use', 'dev'], first.directory)).toMatchObject({ code: 0 })
      const readKept = () =>
        Promise.all(
          ['config.json', 'credentials.json'].map(async (file) =>
            JSON.parse(await readFile(join(first.directory, file), 'utf8')),
          ),
        )
      const kept = await readKept()
      const second = await serve(['--state', join(await makeDirectory(), 'two')], first.directory)
      expect(await readKept()).not.toEqual(kept)
      expect((await second.stop()).stderr).toContain(
        `profile dev was ${first.ready.url}, and is this server until it stops`,
      )
      expect(await readKept()).toEqual(kept)
      for (const command of [MINT, [...MINT, '--min-ttl', '5m'], ['client', 'list']]) {
        expect(await call(command, first.directory)).toMatchObject({ code: 0 })
      }
      await first.stop()
      expect((await call(MINT, first.directory)).code).toBe(2)
    })

    test('that was killed does not take itself for another one when it is started again', async () => {
      const { ready, stop, directory } = await serve(['--state', join(await makeDirectory(), 'one')])
      await stop()
      const profile = { server_url: ready.url, tenant_id: ready.tenant_id, client_id: ready.client_id }
      await writeFile(join(directory, 'config.json'), JSON.stringify({ profiles: { dev: profile } }))
      const again = ['--state', join(await makeDirectory(), 'one'), '--port', new URL(ready.url).port]
      expect((await (await serve(again, directory)).stop()).stderr).not.toContain('profile dev was')
      expect((await call(MINT, directory)).code).toBe(2)
    })

    test('of which an older copy has been put back, with all that lies beside it, does not start', async () => {
      const place = await makeDirectory()
      const [state, copy] = [join(place, 'state'), join(place, 'copy')]
      const first = await serve(['--state', state])
      const { directory } = first
      await first.stop()
      await cp(state, copy, { recursive: true })
      // Nobody but the server itself ever looks at its log.
      await (await serve(['--state', state], directory)).stop()
      await rm(state, { recursive: true })
      await cp(copy, state, { recursive: true })

      await expect(serve(['--state', state], directory)).rejects.toThrow(
        /ended with 7: .*the audit log ends at (\d+), and was seen on this machine with (?!\1)\d+ records.*dev recover/,
      )
      // Where nothing of it was seen it is served, and grows on.
      const stranger = await serve(['--state', state])
      await call(MINT, stranger.directory)
      await stranger.stop()
      await expect(serve(['--state', state], directory)).rejects.toThrow(
        /ended with 7: .*the audit log is another one than it was when it was seen on this machine with \d+ records/,
      )

      const recover = ['dev', 'recover', '--state', state, '--accept-loss', '--json']
      const recovered = await call(recover, directory)
      expect(recovered).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(recovered.stdout).kept).toBe(JSON.parse(recovered.stdout).old.size)
      expect(await (await serve(['--state', state], directory)).stop()).toMatchObject({ code: 130 })
    })

    test('whose configuration cannot be read does not start, and frees what it took', async () => {
      const [directory, state] = [await makeDirectory(), join(await makeDirectory(), 'state')]
      await writeFile(join(directory, 'config.json'), '{')
      await expect(serve(['--state', state], directory)).rejects.toThrow(
        /ended with 2: .*is not a JSON object/,
      )
      expect(await readdir(state)).not.toContain('server.pid')
    })
  })

  test.each([
    {
      args: ['--host', '0.0.0.0'],
      stderr: /^authsec: "0\.0\.0\.0" is not an address of this machine alone\nhint: /,
    },
    { args: ['--host', 'auth.example'], stderr: /is not an address of this machine alone/ },
    { args: ['--host', '127.0.0.1.evil.example'], stderr: /is not an address of this machine alone/ },
    { args: ['--port', 'abc'], stderr: /"abc" is not a number from 0 to 65535\nhint: Give it in digits/ },
    { args: ['--port', '65536'], stderr: /"65536" is not a number from 0 to 65535/ },
    {
      args: ['--ciba', 'always'],
      stderr: /'always' is invalid\. Allowed choices are manual, auto-approve, auto-deny/,
    },
    { args: ['--ephemeral', '--state', '/tmp/x'], stderr: /cannot be used with/ },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    expect(await runCli(['dev', 'serve', ...args])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(stderr),
    })
  })

  test('fails with a conflict when the port is in use', async () => {
    const server = await serve()
    const run = await runCli(['dev', 'serve', '--ephemeral', '--port', new URL(server.ready.url).port])
    expect(run).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/^authsec: port \d+ .*in use\nhint: /),
    })
    await server.stop()
  })

  test('fails with a conflict when a newer version has written the state, and changes nothing', async () => {
    const state = join(await makeDirectory(), 'state')
    await (await startServer({ port: 0, state, keys: { import: inject('serverKeys') } })).close()
    const database = new Database(join(state, 'authsec.db'))
    database.exec("update settings set value = '999' where name = 'schema_version'")
    database.close()
    const readState = async () => {
      const files = (await readdir(state)).sort()
      return Promise.all(
        files.map(async (file) => [file, (await readFile(join(state, file))).toString('hex')]),
      )
    }
    const before = await readState()
    const run = await runCli(['dev', 'serve', '--port', '0', '--state', state, '--json'])
    expect(run).toMatchObject({ code: 7, stdout: '' })
    expect(JSON.parse(run.stderr).error).toMatchObject({
      code: 'state_newer',
      message: expect.stringMatching(/authsec\.db"? has schema 999, this version knows \d+$/),
      hint: 'Upgrade authsec, or start with another --state directory.',
      retryable: false,
    })
    expect(await readState()).toEqual(before)
  })

  test.each([
    { why: 'is cut off', sql: "x'00'" },
    { why: 'is damaged', sql: "cast(substr(token, 1, length(token) - 1) || x'00' as blob)" },
  ])('tells whoever runs it when what it keeps $why, and the caller no more than that', async ({ sql }) => {
    const state = join(await makeDirectory(), 'state')
    await (await startServer({ port: 0, state, keys: { import: inject('serverKeys') } })).close()
    const database = new Database(join(state, 'authsec.db'))
    database.exec(`update delegations set token = ${sql}`)
    database.close()
    const server = await serve(['--state', state])
    const path = `/uflow/sdk/delegation-token?client_id=${server.ready.client_id}`
    const reply = await fetch(`${server.ready.url}${path}`)
    const error = `the base token "${server.ready.client_id}" of this state is damaged`
    expect([reply.status, await reply.json()]).toEqual([500, expect.objectContaining({ error })])
    const id = reply.headers.get('x-request-id')
    const door = 'GET /uflow/sdk/delegation-token'
    await fetch(`${server.ready.url}${path}`)
    const { stderr } = await server.stop()
    expect(stderr).toContain(`warning: ${door} failed, request ${id}: `)
    // What to do about it, once however often it happens.
    expect(stderr.match(/^hint: .+$/gm)).toEqual([expect.stringContaining('backup')])
  })

  test('fails with a conflict when another server has the state, and names it', async () => {
    const state = join(await makeDirectory(), 'state')
    const server = await serve(['--state', state])
    const run = await runCli(['dev', 'serve', '--port', '0', '--state', state])
    expect(run).toMatchObject({ code: 7, stdout: '', stderr: expect.stringContaining(String(process.pid)) })
    await server.stop()
  })
})
