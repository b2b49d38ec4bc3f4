import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { createEnvelope } from '../../src/authority/envelope.js'
import { makeKey } from '../../src/authority/key-making.js'
import { MIGRATIONS } from '../../src/store/migrations.js'
import { makeDirectory } from '../support/run-cli.js'
import { START, startTestServer } from '../support/running-server.js'

const TENANT = '3d1f3a52-6f0f-4a0e-9d63-0f5d1c7f2a11'
const KEK = new Uint8Array(32).fill(5)
const PLACES = [
  ['call', 'ES256'],
  ['call', 'RS256'],
  ['call', 'EdDSA'],
  ['base', 'RS256'],
  ['session', 'HS256'],
] as const

/** A state directory as the last version before keys had a life left it: schema 8, one active key in each set. */
async function makeOldState(): Promise<{ state: string; kids: string[] }> {
  const state = join(await makeDirectory(), 'state')
  await mkdir(state, { mode: 0o700 })
  await writeFile(join(state, 'kek'), `${Buffer.from(KEK).toString('base64url')}\n`, { mode: 0o600 })
  await writeFile(join(state, 'authsec.db'), '', { mode: 0o600 })
  const database = new Database(join(state, 'authsec.db'))
  database.exec('create table settings (name text primary key, value text not null)')
  for (const { statements } of MIGRATIONS.filter(({ version }) => version <= 8)) {
    for (const statement of statements) database.exec(statement)
  }
  const settings = {
    schema_version: '8',
    authority_revision: '0',
    tenant_id: TENANT,
    log_id: 'authsec/0123456789abcdef0123456789abcdef',
    issuer: 'http://127.0.0.1:7468',
  }
  const setting = database.prepare('insert into settings (name, value) values (?, ?)')
  for (const entry of Object.entries(settings)) setting.run(entry)
  const row = database.prepare('insert into keys values (?, ?, ?, ?, ?, ?, ?)')
  const envelope = createEnvelope(KEK, TENANT)
  const kids: string[] = []
  for (const [purpose, alg] of PLACES) {
    const key = await makeKey({ purpose, alg, state: 'active' }, envelope, START - 1_000)
    row.run([key.kid, purpose, alg, 'active', key.publicJwk ?? null, key.sealedJwk, key.createdAt])
    kids.push(key.kid)
  }
  database.close()
  return { state, kids }
}

test('a state from before keys had a life opens, keeps its keys, and gets what it lacks', async () => {
  const { state, kids } = await makeOldState()
  const server = await startTestServer({ state })
  expect(server.tenantId).toBe(TENANT)
  const keys = (await server.call('GET', '/admin/keys', { admin: true })).json as {
    kid: string
    state: string
    published_at: string
  }[]
  for (const kid of kids) {
    expect(keys.find((key) => key.kid === kid)).toMatchObject({
      state: 'active',
      published_at: expect.anything(),
    })
  }
  expect(keys.filter((key) => key.state === 'prepared')).toHaveLength(4)
  const [first] = (await server.call('GET', '/oauth/jwks')).json.keys
  expect(first.kid).toBe(kids[0])
  expect((await server.exchange()).status).toBe(200)
  await server.close()
  // And once more, now that it says which key-encryption key is its own.
  await (await startTestServer({ state })).close()
})
