import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { initServer } from '../../src/server/index.js'
import { openState, type StatePlace } from '../../src/server/state.js'
import { buildCommand, startCommand } from '../support/built-command.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { runCli } from '../support/run-cli.js'
import { readSnapshot, writeSnapshot } from '../support/snapshot-lines.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const ISSUER = 'https://authsec.example'
const KEK = new Uint8Array(32).fill(9)
const env = { AUTHSEC_KEK: Buffer.from(KEK).toString('base64') }
const admin = { email: 'root@team.example', password: 'correct horse battery' }
const MANY = 4_000

let place: string
let script: string
/** Two snapshots of two tenants: one holds many clients more than the other. */
const files = new Map<string, string>()

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-kill-'))
  script = await buildCommand(place)
  await symlink(join(import.meta.dirname, '../../node_modules'), join(place, 'node_modules'))
  await writeFile(join(place, 'kek'), env.AUTHSEC_KEK, { mode: 0o600 })
  for (const count of [0, MANY]) {
    const [state, file] = [join(place, `origin-${count}`), join(place, `${count}.jsonl`)]
    const { tenantId } = await initServer({ state, kek: KEK, issuer: ISSUER, admin })
    const kekFlag = ['--kek-file', join(place, 'kek')]
    const { code, stderr } = await runCli(['dev', 'snapshot', 'save', file, '--state', state, ...kekFlag])
    if (code !== 0) throw new Error(stderr)
    await addClients(file, count)
    files.set(tenantId, file)
  }
})
afterAll(() => rm(place, { recursive: true, force: true }))

describe('a load that is killed', () => {
  test('leaves the old state or the new one in a directory', async ({ annotate }) => {
    await killLoads({ state: join(place, 'target') }, {}, annotate)
  })

  test('leaves the old state or the new one in a database', async ({ annotate }) => {
    const schema = await makePostgresSchema()
    const url = new URL(schema.url)
    const PGPASSWORD = decodeURIComponent(url.password)
    url.password = ''
    await killLoads({ store: schema.url, flags: ['--store', url.href] }, { PGPASSWORD }, annotate)
    await schema.drop()
  })
})

/** Puts the two states in each other's place, again and again, and kills most of these loads on their way. */
async function killLoads(
  { flags = [], ...target }: StatePlace & { flags?: readonly string[] },
  more: Readonly<Record<string, string>>,
  annotate: (text: string) => Promise<unknown>,
): Promise<void> {
  const seed = chooseSeed()
  await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
  const random = createRandom(seed)
  const where = flags.length > 0 ? flags : ['--state', target.state ?? '', '--kek-file', join(place, 'kek')]
  let log = 0

  async function load(to: string, tenantId: string | undefined, killAfterMs?: number): Promise<number> {
    const confirm = tenantId === undefined ? [] : ['--confirm', tenantId]
    const old = ['--old-log', join(place, `log-${where[0]}-${log++}`)]
    const mark = ['--audit-high-water', join(place, `mark-${where[0]}`)]
    const args = ['dev', 'snapshot', 'load', files.get(to) ?? '', ...where, ...confirm, ...old, ...mark]
    const start = performance.now()
    const command = await startCommand(script, args, { ...env, ...more, AUTHSEC_CONFIG_DIR: place })
    if (killAfterMs !== undefined) delay(killAfterMs).then(() => command.signal('SIGKILL'))
    const { code, stderr } = await command.ended
    // The one before was killed while it counted as a server of the database, which it does for some seconds.
    if (code === 7 && stderr.includes('a server runs on this state')) {
      await delay(500)
      return load(to, tenantId, killAfterMs)
    }
    if (killAfterMs === undefined || code !== null)
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('authsec:')])
    return performance.now() - start
  }

  const [first = '', second = ''] = files.keys()
  await load(first, undefined)
  // How long it takes, so that the kills are spread over all of it.
  const took = await load(second, first)
  let current = second
  for (let round = 0; round < countRounds(2); round++) {
    const next = current === first ? second : first
    await load(next, current, took * (0.3 + random() * 0.75))
    current = await expectWhole(target)
  }
}

/** Expects one of the two states, complete and with a log that can be gone on with; says whose it is. */
async function expectWhole(target: StatePlace): Promise<string> {
  const { store, kek, close } = await openState(target, KEK)
  try {
    const authority = await openAuthority({ store, kek, issuer: ISSUER, clock: Date.now })
    const { tenantId } = authority.identity
    const file = files.get(tenantId) ?? ''
    const { total } = await store.clients.list({ limit: 1, offset: 0 })
    expect([tenantId, total]).toEqual([tenantId, file.endsWith(`/${MANY}.jsonl`) ? MANY : 0])
    await authority.sealing.seal()
    const [entry] = await authority.audit.search({ limit: 1 })
    expect(entry).toMatchObject({ seq: 0, event: { type: 'state.restored', tenant: tenantId } })
    await authority.close()
    return tenantId
  } finally {
    await close()
  }
}

async function addClients(file: string, count: number): Promise<void> {
  const lines = await readSnapshot(file)
  const clients = Array.from({ length: count }, (_, index) => ({
    table: 'clients',
    row: {
      id: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      name: `client-${index}`,
      email: 'client@team.example',
      client_type: 'application',
      selectors: '{}',
      active: 1,
      created_at: 1,
      updated_at: 1,
    },
  }))
  await writeSnapshot(file, lines.toSpliced(-1, 0, ...clients))
}
