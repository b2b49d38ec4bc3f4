import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { createEnvelope } from '../../src/authority/envelope.js'
import { makeKey } from '../../src/authority/key-making.js'
import { MIGRATIONS } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open.js'
import type { StoredKey } from '../../src/store/store.js'
import { makeDirectory, runCli } from '../support/run-cli.js'
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

/** A state directory whose database is what `fill` makes of an empty one. */
async function makeState(kek: string, fill: (database: Database.Database) => void): Promise<string> {
  const state = join(await makeDirectory(), 'state')
  await mkdir(state, { mode: 0o700 })
  await writeFile(join(state, 'kek'), `${kek}\n`, { mode: 0o600 })
  await writeFile(join(state, 'authsec.db'), '', { mode: 0o600 })
  const database = new Database(join(state, 'authsec.db'))
  fill(database)
  database.close()
  return state
}

/** A state directory as the last version before keys had a life left it: schema 8, one active key in each set. */
async function makeOldState(): Promise<{ state: string; kids: string[] }> {
  const envelope = createEnvelope(KEK, TENANT)
  const made = PLACES.map(([purpose, alg]) =>
    makeKey({ purpose, alg, state: 'active' }, envelope, START - 1_000),
  )
  const keys = await Promise.all(made)
  const state = await makeState(Buffer.from(KEK).toString('base64url'), (database) => fillOld(database, keys))
  return { state, kids: keys.map(({ kid }) => kid) }
}

function fillOld(database: Database.Database, keys: readonly StoredKey[]): void {
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
  for (const key of keys) {
    const { kid, purpose, alg, publicJwk = null, sealedJwk, createdAt } = key
    row.run([kid, purpose, alg, 'active', publicJwk, sealedJwk, createdAt])
  }
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

/** Of the state of the first version that lies beside this file. */
const FIRST = {
  kek: 'D2fZiyFQpaC4JFBnDkyuk12SPxFJvQhst1kBII51KJE',
  tenantId: '02be52d9-d19c-4351-9f28-2a41f12e4134',
  logId: 'authsec/375ac2c03acf45e88b8a4a9430b22312',
  clientId: '1a083e37-cecf-497e-b95a-5020aa2e67ea',
  baseJti: '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c',
  callKid: '_WexZzPl-s1bxOFXmheUoxes1zMo9EypaOwDq-z8Awg',
  events: [
    'server.started',
    'delegation.granted',
    'session.started',
    'delegation.pulled',
    'token.exchanged',
    'token.exchanged',
    'server.stopped',
  ],
}

test('a state of the first version opens with its client, its delegation, its keys, and a log that verifies', async () => {
  const dump = await readFile(join(import.meta.dirname, 'old-state.sql'), 'utf8')
  const state = await makeState(FIRST.kek, (database) => database.exec(dump))
  const server = await startTestServer({ state })
  const { tenantId, clientId } = server
  expect({ tenantId, clientId }).toEqual({ tenantId: FIRST.tenantId, clientId: FIRST.clientId })

  const base = await server.pull()
  expect(decodeJwt(base).jti).toBe(FIRST.baseJti)
  const { status, json } = await server.exchange({ subject_token: base })
  expect(status).toBe(200)
  expect(decodeProtectedHeader(json.access_token).kid).toBe(FIRST.callKid)
  expect(decodeJwt(json.access_token)).toMatchObject({ parent_jti: decodeJwt(base).jti })

  const { events } = (await server.call('GET', '/audit/events?limit=7', { admin: true })).json
  expect(events.map(({ event }: { event: { type: string } }) => event.type)).toEqual(FIRST.events)
  const { code, stdout } = await runCli(['audit', 'verify', '--require', 'linked', '--json'], {
    env: { AUTHSEC_SERVER: server.url, AUTHSEC_TOKEN: server.adminToken },
    fetch: globalThis.fetch,
    clock: { now: () => server.now },
  })
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { origin: FIRST.logId }])
  await server.close()
})

test('the keys of a state that does not say how long their tokens live are kept for as long as any can', async () => {
  const { state } = await makeOldState()
  await (await startTestServer({ state, keyTimings: { maxCallTtl: 5 } })).close()
  const store = await openStore(join(state, 'authsec.db'))
  const timings = JSON.parse((await store.settings.find('timings')) ?? '{}')
  expect(timings).toMatchObject({ in_use: { maxCallTtl: 5 }, promises: { call: { seconds: 360 } } })
  await store.close()
})

test('a state that said already how long its tokens live goes on with that', async () => {
  const { state } = await makeOldState()
  await (await startTestServer({ state, keyTimings: { maxCallTtl: 5 } })).close()
  // As versions have left it that kept the timings before every state had some.
  const database = new Database(join(state, 'authsec.db'))
  database.exec(`update settings set value = '17' where name = 'schema_version'`)
  database.close()
  await (await startTestServer({ state, keyTimings: { maxCallTtl: 4 } })).close()
  const store = await openStore(join(state, 'authsec.db'))
  const timings = JSON.parse((await store.settings.find('timings')) ?? '{}')
  expect(timings).toMatchObject({ in_use: { maxCallTtl: 4 }, promises: { call: { seconds: 360 } } })
  await store.close()
})
