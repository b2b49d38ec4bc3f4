import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../../support/running-server.js'

/** A server that a client has seen the log of, and that is stopped; and what is at the same address afterwards. */
async function meetServer() {
  const directory = await makeDirectory()
  const [state, mark] = [join(directory, 'state'), join(directory, 'mark')]
  const database = join(state, 'authsec.db')
  let server: TestServer = await startTestServer({ state, auditHighWater: mark })
  const { port, tenantId, verifierKey } = server
  // Each of two people is told once.
  const ask = (who: 'ada' | 'bob', ...args: string[]) =>
    runCli(['audit', ...args], {
      fetch: globalThis.fetch,
      clock: { now: () => server.now },
      env: {
        AUTHSEC_CONFIG_DIR: join(directory, who),
        AUTHSEC_SERVER: server.url,
        AUTHSEC_TOKEN: server.adminToken,
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
    async restoreBackup() {
      await rm(database)
      await copyFile(join(directory, 'backup'), database)
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
})
