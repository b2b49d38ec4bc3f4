import { copyFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { initServer } from '../../../../src/server/index.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { startTestServer } from '../../../support/running-server.js'

const KEK = new Uint8Array(32).fill(9)
const ADMIN = { email: 'root@team.example', password: 'correct horse battery' }

type Server = Awaited<ReturnType<typeof startTestServer>>

const listEvents = async (server: Server) =>
  (await server.call('GET', '/audit/events?limit=1000', { admin: true })).json.events as {
    seq: number
    event: { type: string; log: string; details?: { old?: object }; kid?: string }
  }[]
const listKids = async (server: Server) =>
  (await server.call('GET', '/oauth/jwks')).json.keys.map(({ kid }: { kid: string }) => kid) as string[]

/** A state of which an older copy of the database has been put back. */
async function makeRolledBack(mark?: string) {
  const directory = await makeDirectory()
  const state = join(directory, 'state')
  const database = join(state, 'authsec.db')
  const options = { state, clock: Date.now, auditHighWater: mark }
  const first = await startTestServer(options)
  const kids = await listKids(first)
  await first.close()
  await copyFile(database, join(directory, 'copy'))
  const second = await startTestServer(options)
  const { access_token: token } = (await second.exchange()).json
  const { verifier_key: key } = (await second.call('GET', '/audit/log/keys')).json
  await second.close()
  await rm(database)
  await copyFile(join(directory, 'copy'), database)
  return { state, options, kids, token, key, origin: key.split('+')[0] as string }
}

describe('a state of which an older copy has been put back', () => {
  test('is not served until somebody accepts the loss; then a new log names the old one', async () => {
    const { state, options, kids, token, key, origin } = await makeRolledBack()
    await expect(startTestServer(options)).rejects.toMatchObject({
      code: 'state_rolled_back',
      hint: expect.stringContaining('authsec dev recover'),
    })
    expect(await runCli(['dev', 'recover', '--state', state])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--accept-loss'),
    })

    const { code, stdout, stderr } = await runCli([
      'dev',
      'recover',
      '--state',
      state,
      '--accept-loss',
      '--json',
    ])
    expect([code, stderr]).toEqual([0, ''])
    const { old, kept, old_log: oldLog, origin: next } = JSON.parse(stdout)
    expect(old).toEqual({ origin, size: expect.any(Number), root: expect.stringMatching(/^.{43}=$/) })
    expect(kept).toBeLessThan(old.size)
    expect(next).not.toBe(origin)

    const server = await startTestServer(options)
    const events = await listEvents(server)
    expect(events[0]).toMatchObject({
      seq: 0,
      event: { type: 'state.restored', log: next, details: { old } },
    })
    const revoked = events.filter(({ event }) => event.type === 'key.revoked').map(({ event }) => event.kid)
    expect(revoked).toHaveLength(4)
    for (const kid of await listKids(server)) expect(revoked).not.toContain(kid)
    expect(revoked).toEqual(expect.arrayContaining(kids.slice(0, 3)))
    // What was issued after the copy was made, and perhaps revoked, is dead.
    const asked = await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })
    expect(asked.json).toEqual({ active: false })
    expect((await server.exchange()).status).toBe(200)
    await server.close()

    // What was left of the old log can still be read and checked.
    const verdict = await runCli(['audit', 'verify', oldLog, '--key', key, '--json'])
    expect(verdict.code).toBe(0)
    expect(JSON.parse(verdict.stdout)).toMatchObject({ verdict: 'INTACT' })
    expect(await runCli(['dev', 'recover', '--state', state, '--accept-loss'])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('is whole: there is nothing to recover'),
    })
  })

  test('is noticed by a mark that was kept elsewhere, and by none that was not', async () => {
    const mark = join(await makeDirectory(), 'mark')
    const { options } = await makeRolledBack(mark)
    await expect(startTestServer(options)).rejects.toMatchObject({ code: 'state_rolled_back' })
    const server = await startTestServer({ ...options, auditHighWater: undefined })
    await server.close()
  })

  test('of a team is looked at with the mark of its servers, or not at all', async () => {
    const directory = await makeDirectory()
    const [state, kekFile] = [join(directory, 'state'), join(directory, 'kek')]
    await initServer({ state, kek: KEK, issuer: 'https://authsec.example', admin: ADMIN })
    await writeFile(kekFile, Buffer.from(KEK).toString('base64'), { mode: 0o600 })
    const args = ['dev', 'recover', '--state', state, '--kek-file', kekFile, '--accept-loss']
    expect(await runCli(args)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no high-water mark is named, .*\nhint: .*--audit-high-water/),
    })
    expect(await runCli([...args, '--audit-high-water', join(directory, 'mark')])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('there is nothing to recover'),
    })
  })

  test('is noticed where the copy is from before a reset, after which its tokens would live again', async () => {
    const directory = await makeDirectory()
    const state = join(directory, 'state')
    const database = join(state, 'authsec.db')
    const options = { state, clock: Date.now }
    const { tenantId, close } = await startTestServer(options)
    await close()
    await copyFile(database, join(directory, 'copy'))
    const reset = await runCli(['dev', 'reset', '--state', state, '--confirm', tenantId])
    expect(reset).toMatchObject({ code: 0 })
    await (await startTestServer(options)).close()
    await rm(database)
    await copyFile(join(directory, 'copy'), database)
    await expect(startTestServer(options)).rejects.toMatchObject({
      code: 'state_rolled_back',
      message: expect.stringContaining('whose place authsec/'),
    })
    const recover = ['dev', 'recover', '--state', state, '--accept-loss', '--old-log', join(directory, 'old')]
    expect(await runCli(recover)).toMatchObject({ code: 0 })
    await (await startTestServer(options)).close()
  })
})
