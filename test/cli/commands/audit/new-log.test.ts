import { copyFile, cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { createGate } from '../../../support/gate.js'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../../support/running-server.js'
import { serveCli } from '../../../support/served-cli.js'

/** A server that a client has seen the log of, and that is stopped; and what is at the same address afterwards. */
async function meetServer() {
  const directory = await makeDirectory()
  const [state, mark] = [join(directory, 'state'), join(directory, 'mark')]
  const older = join(directory, 'older')
  const database = join(state, 'authsec.db')
  let server: TestServer = await startTestServer({ state, auditHighWater: mark })
  const { port, tenantId, verifierKey } = server
  // Each of two people is told once.
  const ask = (who: 'ada' | 'bob', ...args: string[]) => watch(who, args, {})
  const watch = (who: 'ada' | 'bob', args: string[], { clock, env, ...options }: RunOptions) =>
    runCli(['audit', ...args], {
      fetch: globalThis.fetch,
      clock: { now: () => server.now, ...clock },
      ...options,
      env: {
        AUTHSEC_CONFIG_DIR: join(directory, who),
        AUTHSEC_SERVER: server.url,
        AUTHSEC_TOKEN: server.adminToken,
        ...env,
      },
    })
  await server.close()
  await copyFile(database, join(directory, 'backup'))
  server = await startTestServer({ state, port, auditHighWater: mark })
  await server.exchange()
  for (const who of ['ada', 'bob'] as const) expect((await ask(who, 'checkpoint')).code).toBe(0)
  await server.close()

  return {
    directory,
    state,
    mark,
    tenantId,
    origin: verifierKey.split('+')[0] ?? '',
    ask,
    watch,
    /** A session of the admin that is older than what follows, and outlives it. */
    async logIn() {
      const { 'admin@authsec.test': password } = JSON.parse(
        await readFile(join(state, 'passwords.json'), 'utf8'),
      )
      const login = { json: { email: 'admin@authsec.test', password } }
      return { AUTHSEC_TOKEN: (await server.call('POST', '/uflow/auth/admin/login', login)).json.token }
    },
    async restoreBackup() {
      await rm(database)
      await copyFile(join(directory, 'backup'), database)
    },
    copyState: () => cp(state, older, { recursive: true }),
    /** Puts the copy back, and lets it grow past what there was. */
    async outgrow(present: TestServer) {
      const size = await readSize(present)
      await present.close()
      await rm(state, { recursive: true })
      await rename(older, state)
      const server = await this.restart(join(directory, 'other-mark'))
      while ((await readSize(server)) <= size) await server.exchange()
      return server
    },
    async run(...args: string[]) {
      const { code, stderr } = await runCli(['dev', ...args, '--state', state])
      expect([code, stderr]).toEqual([0, ''])
    },
    async restart(auditHighWater: string = mark) {
      server = await startTestServer({ state, port, auditHighWater })
      return server
    },
  }
}

const readSize = async (server: TestServer) =>
  Number((await server.call('GET', '/audit/log/checkpoint')).text.split('\n')[1])

type Met = Awaited<ReturnType<typeof meetServer>>

describe('a client that has seen the log of a server notices', () => {
  test.each<{ what: string; happen: (met: Met) => Promise<void>; type: string }>([
    {
      what: 'a restored backup that was accepted',
      async happen({ restoreBackup, run, mark }) {
        await restoreBackup()
        await run('recover', '--accept-loss', '--audit-high-water', mark)
      },
      type: 'state.restored',
    },
    {
      what: 'a reset',
      happen: ({ run, tenantId }) => run('reset', '--confirm', tenantId),
      type: 'state.reset',
    },
    {
      what: 'a snapshot that was loaded',
      async happen({ run, directory, tenantId }) {
        const file = join(directory, 'snapshot.jsonl')
        await run('snapshot', 'save', file)
        await run('snapshot', 'load', file, '--confirm', tenantId)
      },
      type: 'state.restored',
    },
  ])(
    '$what, in words, and finds what it had seen in the first event of the new log',
    async ({ happen, type }) => {
      const met = await meetServer()
      await happen(met)
      const server = await met.restart()
      const told = `this server had another log when it was seen last (${met.origin}, `
      const verify = await met.ask('ada', 'verify', '--require', 'linked')
      expect(verify.stdout).toContain(told)
      const tail = await met.ask('bob', 'tail', '--no-follow')
      expect([tail.code, tail.stderr]).toEqual([0, expect.stringContaining(told)])
      const { events } = (await server.call('GET', '/audit/events?limit=1', { admin: true })).json
      expect(events[0]).toMatchObject({ seq: 0, event: { type, details: { old: { origin: met.origin } } } })
      await server.close()
    },
  )

  test('a reset, against the head that it had kept: what it has seen of the new log is no head in its place', async () => {
    const met = await meetServer()
    const head = join(met.directory, 'head.txt')
    let server = await met.restart()
    expect(await met.ask('ada', 'checkpoint', '--out', head)).toMatchObject({ code: 0 })
    await server.close()
    await met.run('reset', '--confirm', met.tenantId)
    server = await met.restart()
    const verify = ['verify', '--key', server.verifierKey]
    expect(await met.ask('ada', ...verify)).toMatchObject({ code: 0 })
    expect(await met.ask('ada', ...verify, '--require', 'anchored')).toMatchObject({ code: 0 })
    const { code, stdout, stderr } = await met.ask('ada', ...verify, '--checkpoint', head)
    expect([code, stderr]).toEqual([19, expect.stringContaining(`is of another log (${met.origin})`)])
    expect(stdout).toMatch(/^undecided .*head\.txt is of another log/m)
    await server.close()
  })

  test('a restored backup that is served as if nothing had happened', async () => {
    const met = await meetServer()
    await met.restoreBackup()
    await expect(met.restart()).rejects.toMatchObject({ code: 'state_rolled_back' })
    // Whoever restores the mark as well deceives the server, and not the client.
    const server = await met.restart(join(met.directory, 'other-mark'))
    expect(await met.ask('bob', 'tail', '--no-follow')).toMatchObject({
      code: expect.toSatisfy((code) => code === 18 || code === 19),
      stderr: expect.stringMatching(/the audit log (?:had \d+ records when|is another one than it was when)/),
    })
    await server.close()
  })

  test.each([
    { what: 'fewer records', isLonger: false, code: 19, told: /the audit log had \d+ records when/ },
    {
      what: 'other records',
      isLonger: true,
      code: 18,
      told: /the audit log is another one than it was when/,
    },
  ])('a restored backup with $what while it follows the log', async ({ isLonger, code, told }) => {
    const met = await meetServer()
    const first = await met.restart()
    const [followed, restored] = [createGate(), createGate()]
    const done = met.watch('bob', ['tail', '-n', '0', '--json'], {
      clock: { sleep: () => restored.opened },
      onOutput: (stdout) => stdout.includes('"heartbeat"') && followed.open(),
    })
    await followed.opened
    const size = await readSize(first)
    await first.close()
    await met.restoreBackup()
    const server = await met.restart(join(met.directory, 'other-mark'))
    while (isLonger && (await readSize(server)) <= size) await server.exchange()
    restored.open()
    const { stdout, ...ended } = await done
    expect(ended).toEqual({ code, stderr: expect.stringMatching(told) })
    expect(stdout).not.toMatch(/"kind":"(?:gap|event)"/)
    await server.close()
  })

  test('a restored backup that has grown past what it had read, though its head goes on from the one it had seen', async () => {
    const met = await meetServer()
    const first = await met.restart()
    const [followed, told, restored] = [createGate(), createGate(), createGate()]
    const done = met.watch('bob', ['tail', '-n', '0', '--json'], {
      env: await met.logIn(),
      clock: { sleep: () => restored.opened },
      onOutput(stdout) {
        if (stdout.includes('"heartbeat"')) followed.open()
        if (stdout.includes('"token.exchanged"')) told.open()
      },
    })
    await followed.opened
    await first.signHead()
    await met.copyState()
    await first.exchange()
    await told.opened
    await first.signHead()
    const server = await met.outgrow(first)
    restored.open()
    const { code, stderr } = await done
    expect({ code, stderr }).toEqual({
      code: 18,
      stderr: expect.stringMatching(/record \d+ of the audit log is not the one that was read there/),
    })
    await server.close()
  })

  test('the same in the next run, behind the place that the one before has kept', async () => {
    const met = await meetServer()
    const first = await met.restart()
    const followed = createGate()
    const cursorFile = join(met.directory, 'cursor')
    const tail = ['tail', '--cursor-file', cursorFile]
    const env = await met.logIn()
    const done = met.watch('bob', [...tail, '-n', '0', '--until-match', 'type=token.exchanged', '--json'], {
      env,
      onOutput: (stdout) => stdout.includes('"heartbeat"') && followed.open(),
    })
    await followed.opened
    await first.signHead()
    await met.copyState()
    const eventId = (await first.exchange()).json.authsec_audit
    expect(await done).toMatchObject({ code: 0, stderr: '' })
    const cursor = await readFile(cursorFile, 'utf8')
    expect(cursor).toMatch(new RegExp(`^\\d+:${eventId}@${met.origin}\\n$`))
    expect(await met.watch('bob', [...tail, '--no-follow'], { env })).toMatchObject({ code: 0 })
    await writeFile(cursorFile, cursor)
    const server = await met.outgrow(first)
    const place = cursor.split(':')[0]
    for (const args of [[...tail, '--no-follow'], tail, ['tail', '--cursor', cursor.trim()]]) {
      expect(await met.watch('bob', args, { env })).toMatchObject({
        code: 18,
        stdout: '',
        stderr: expect.stringContaining(
          `record ${place} of the audit log is not the one that was read there`,
        ),
      })
    }
    expect(await readFile(cursorFile, 'utf8')).toBe(cursor)
    await server.close()
  })

  test('the same where no event was wanted of what the run before has read', async () => {
    const met = await meetServer()
    const first = await met.restart()
    const cursorFile = join(met.directory, 'cursor')
    const tail = ['tail', '--cursor-file', cursorFile, '--type', 'state.reset', '--no-follow']
    const env = await met.logIn()
    await first.signHead()
    await met.copyState()
    const eventId = (await first.exchange()).json.authsec_audit
    expect(await met.watch('bob', tail, { env })).toEqual({ code: 0, stdout: '', stderr: '' })
    const cursor = await readFile(cursorFile, 'utf8')
    expect(cursor).toMatch(new RegExp(`^\\d+:${eventId}@${met.origin}\\n$`))
    const server = await met.outgrow(first)
    expect(await met.watch('bob', tail, { env })).toMatchObject({ code: 18, stdout: '' })
    expect(await readFile(cursorFile, 'utf8')).toBe(cursor)
    await server.close()
  })

  test('no harm in a log that has begun anew, which the next run reads from its beginning', async () => {
    const met = await meetServer()
    const first = await met.restart()
    const id = (await first.exchange()).json.authsec_audit
    await first.close()
    await met.run('reset', '--confirm', met.tenantId)
    const server = await met.restart()
    const args = ['tail', '--cursor', `2:${id}@${met.origin}`, '--no-follow']
    const { code, stdout, stderr } = await met.ask('bob', ...args)
    expect([code, stderr]).toEqual([0, expect.stringContaining('warning: gap: this is another log')])
    expect(stdout).toMatch(/^0\t/)
    await server.close()
  })

  test('a record that is damaged by the time it would go on behind it, and does not ask again', async () => {
    const met = await meetServer()
    const first = await met.restart()
    const [followed, told, damaged] = [createGate(), createGate(), createGate()]
    const keyboard = new AbortController()
    let [pauses, last] = [0, -1]
    const done = met.watch('bob', ['tail', '-n', '0', '--json'], {
      env: await met.logIn(),
      signal: keyboard.signal,
      clock: {
        async sleep() {
          if (++pauses > 1) keyboard.abort(new AuthsecError('interrupted', 'it asks again and again'))
          await damaged.opened
        },
      },
      onOutput(stdout) {
        if (stdout.includes('"heartbeat"')) followed.open()
        const [, seq] = /"seq":(\d+),[^\n]*"token\.exchanged"/.exec(stdout) ?? []
        if (seq === undefined) return
        last = Number(seq)
        told.open()
      },
    })
    await followed.opened
    await first.exchange()
    await told.opened
    await first.close()
    const database = new Database(join(met.state, 'authsec.db'))
    database.prepare('update audit_events set record = substr(record, 2) where seq = ?').run(last)
    database.close()
    const server = await met.restart()
    damaged.open()
    const { code, stderr } = await done
    expect({ code, stderr: JSON.parse(stderr) }).toMatchObject({
      code: 21,
      stderr: {
        error: {
          message: `record ${last} of the audit log is damaged`,
          hint: expect.stringContaining('authsec audit verify'),
          retryable: false,
        },
      },
    })
    expect(server.surprises.splice(0)).toMatchObject([{ code: 'state_unreadable' }])
    await server.close()
  })

  test('a server that cannot tell its head as one that is still away', async () => {
    const met = await meetServer()
    const server = await met.restart()
    let [streams, heads] = [0, 0]
    const cutAndHide: typeof fetch = async (input, init) => {
      const { pathname } = new URL(String(input))
      if (pathname.endsWith('/stream') && ++streams === 1) throw new TypeError('fetch failed')
      if (pathname.endsWith('/log/checkpoint') && ++heads === 2)
        return Response.json({ error: 'temporarily_unavailable' }, { status: 503 })
      return fetch(input, init)
    }
    const pauses: number[] = []
    const keyboard = new AbortController()
    const { code, stderr } = await met.watch('bob', ['tail', '-n', '0', '--json'], {
      fetch: cutAndHide,
      clock: { sleep: async (ms) => void pauses.push(ms) },
      signal: keyboard.signal,
      onOutput: (stdout) => {
        if (stdout.includes('"heartbeat"')) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
      },
    })
    expect({ code, stderr, heads, streams }).toEqual({ code: 130, stderr: '', heads: 3, streams: 2 })
    expect(pauses).toEqual([375, 750])
    await server.close()
  })
})

describe('what is kept of a log', () => {
  /** A server, and a configuration that has met it. */
  async function meet() {
    const cli = await serveCli()
    const home = await makeDirectory()
    const path = join(home, 'audit-logs.json')
    const run = (args: string[], options: RunOptions = {}) =>
      cli.run(['audit', ...args], { ...options, env: { AUTHSEC_CONFIG_DIR: home } })
    expect((await run(['checkpoint'])).code).toBe(0)
    return { ...cli, run, path }
  }

  test.each(['search', 'tail --no-follow', 'trace ID'])(
    'is what audit %s fails for where the head alone cannot be read',
    async (command) => {
      const { server, run } = await meet()
      const id = (await server.exchange()).json.authsec_audit
      const fetchOthers: typeof fetch = async (input, init) =>
        String(input).endsWith('/audit/log/checkpoint')
          ? Response.json({ error: 'temporarily_unavailable' }, { status: 503 })
          : fetch(input, init)
      const { code, stdout, stderr } = await run(command.replace('ID', id).split(' '), { fetch: fetchOthers })
      expect([code, stdout]).toEqual([21, ''])
      expect(stderr).toContain('the head of the audit log cannot be read')
      await server.close()
    },
  )

  test('says to start the server where that does not answer', async () => {
    const { server, run } = await meet()
    await server.close()
    const { code, stderr } = await run(['search'])
    expect(code).toBe(20)
    expect(stderr).toMatch(
      /cannot reach .*\nhint: Start the server with authsec dev serve, or check the address\./,
    )
  })

  test('is read as the first version kept it', async () => {
    const { server, run, path } = await meet()
    const [server_url, seen_at] = ['https://elsewhere.example', '2026-08-01T09:00:00.000Z']
    const former = Object.entries<{ servers: object }>(JSON.parse(await readFile(path, 'utf8'))).map(
      ([origin, { servers: _, ...log }]) => [origin, { ...log, server_url, seen_at }],
    )
    await writeFile(path, JSON.stringify(Object.fromEntries(former)))
    expect(await run(['checkpoint'])).toMatchObject({ code: 0 })
    expect(JSON.parse(await readFile(path, 'utf8'))[String(former[0]?.[0])].servers).toEqual({
      [server_url]: seen_at,
      [server.url]: expect.any(String),
    })
    await server.close()
  })

  test('is never taken for good where it is damaged', async () => {
    const { server, run, path } = await meet()
    const text = await readFile(path, 'utf8')
    for (const member of ['checkpoint', 'verifier_key']) {
      await writeFile(path, text.replace(new RegExp(`"${member}": ".*"`), `"${member}": "garbage"`))
      for (const command of [['tail', '--no-follow'], ['verify']]) {
        const { code, stderr } = await run(command)
        expect([code, stderr]).toEqual([2, expect.stringContaining(`in "${path}" is damaged\n`)])
      }
    }
    await server.close()
  })

  test('stays where another command has seen more meanwhile, and is no reason to accuse the server', async () => {
    const { server, run, path } = await meet()
    let newest = ''
    const fetchLate: typeof fetch = async (input, init) => {
      if (newest === '' && String(input).endsWith('/audit/log/keys')) {
        newest = 'asked for'
        await server.exchange()
        await run(['show', (await server.exchange()).json.authsec_audit])
        await run(['checkpoint'])
        newest = await readFile(path, 'utf8')
      }
      return fetch(input, init)
    }
    expect(await run(['checkpoint'], { fetch: fetchLate })).toMatchObject({ code: 0 })
    expect(await readFile(path, 'utf8')).toBe(newest)
    await server.close()
  })
})
