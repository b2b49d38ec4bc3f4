import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { initServer } from '../../../../src/server/index.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { startTestServer } from '../../../support/running-server.js'

describe('authsec dev reset', () => {
  test('leaves the name of the tenant and a new log that names the old one; the next start fills it again', async () => {
    const state = join(await makeDirectory(), 'state')
    const first = await startTestServer({ state })
    const { tenantId, issuer, clientId, verifierKey } = first
    const { access_token: token } = (await first.exchange()).json
    await first.close()

    expect(await runCli(['dev', 'reset', '--state', state])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--confirm with the id of its tenant'),
    })
    const { code, stdout, stderr } = await runCli([
      ...['dev', 'reset', '--state', state],
      ...['--confirm', tenantId, '--json'],
    ])
    expect([code, stderr]).toEqual([0, ''])
    const { old, old_log, origin } = JSON.parse(stdout)
    expect(old.origin).toBe(verifierKey.split('+')[0])
    const verdict = await runCli(['audit', 'verify', old_log, '--key', verifierKey, '--json'])
    expect(JSON.parse(verdict.stdout)).toMatchObject({ verdict: 'INTACT' })

    const second = await startTestServer({ state })
    expect([second.tenantId, second.issuer]).toEqual([tenantId, issuer])
    expect(second.clientId).not.toBe(clientId)
    const { events } = (await second.call('GET', '/audit/events?limit=1', { admin: true })).json
    expect(events[0]).toMatchObject({ seq: 0, event: { type: 'state.reset', log: origin, details: { old } } })
    const asked = await second.call('POST', '/oauth/introspect', { admin: true, form: { token } })
    expect(asked.json).toEqual({ active: false })
    expect((await second.exchange()).status).toBe(200)
    const { 'alice@authsec.test': password } = JSON.parse(
      await readFile(join(state, 'passwords.json'), 'utf8'),
    )
    const login = await second.call('POST', '/authsec/uflow/auth/admin/login', {
      json: { email: 'alice@authsec.test', password },
    })
    expect(login.status).toBe(200)
    await second.close()
  })

  test('is refused while a server runs, for a directory without a state, and for the state of a team', async () => {
    const directory = await makeDirectory()
    const state = join(directory, 'state')
    const server = await startTestServer({ state })
    const reset = (place: string, ...flags: string[]) =>
      runCli(['dev', 'reset', '--state', place, '--confirm', server.tenantId, ...flags])
    expect(await reset(state)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`in use by the server with pid ${process.pid}`),
    })
    await server.close()
    expect(await reset(join(directory, 'nothing'))).toMatchObject({ code: 6 })

    const team = join(directory, 'team')
    const admin = { email: 'root@team.example', password: 'correct horse battery' }
    const kek = new Uint8Array(32).fill(9)
    await initServer({ state: team, kek, issuer: 'https://authsec.example', admin })
    const kekFile = join(directory, 'team.kek')
    await writeFile(kekFile, Buffer.from(kek).toString('base64'), { mode: 0o600 })
    const refused = await reset(team, '--kek-file', kekFile)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is the state of a team') })
  })
})
