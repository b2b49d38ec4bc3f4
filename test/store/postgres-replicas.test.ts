import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MIGRATIONS } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { createClient, createDelegation, createPolicy, createRecord, createResource, NOW } from './samples.js'
import { makeStateDirectory, type StateDirectory } from './state-directory.js'

const ROOT = path.join(import.meta.dirname, '../..')
const BILLING = 'https://billing.example'

let program: StateDirectory
let schema: PostgresSchema
const stores: Store[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  program = makeStateDirectory()
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(program.directory, 'node_modules'))
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['test/store/postgres-replica.ts'],
    outfile: path.join(program.directory, 'replica.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
})
afterAll(() => program.remove())
beforeEach(async () => {
  schema = await makePostgresSchema()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(stores.splice(0).map((store) => store.close()))
  await schema.drop()
})

describe('several processes on one database', () => {
  test('that start at once migrate once, and all serve', async () => {
    const replicas = [startReplica('a'), startReplica('b')]
    const [, , ...opened] = await Promise.all([
      ...replicas.map(({ open }) => open),
      ...[1, 2, 3, 4].map(() => open()),
    ])
    expect(await Promise.all(replicas.map(({ open }) => open))).toEqual(['open', 'open'])
    expect(opened).toHaveLength(4)
    const settings = await schema.run('select name, value from settings order by name')
    expect(settings).toEqual([
      { name: 'authority_revision', value: '0' },
      { name: 'key_revision', value: '0' },
      { name: 'schema_version', value: String(MIGRATIONS.at(-1)?.version) },
    ])
  })

  test('number the log without a gap and lose nothing, though one of them is killed', async () => {
    const [killed, other] = [startReplica('a'), startReplica('b')]
    await Promise.all([killed.hasWritten(40), other.hasWritten(40)])
    killed.child.kill('SIGKILL')
    await once(killed.child, 'close')
    await other.hasWritten(40)
    other.child.stdin?.write('end\n')
    await once(other.child, 'close')

    const store = await open()
    const found = await store.audit.search({ limit: 100_000 })
    expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => index))
    const records = new Set(found.map(({ record }) => record))
    expect(records.size).toBe(found.length)
    for (const id of [...killed.written, ...other.written]) expect(records).toContain(`record ${id}`)
  })

  test('let only the failing writes fail, whichever of them fails', async () => {
    const pair = await Promise.all([open(), open()])
    const results = await Promise.allSettled(
      Array.from({ length: 300 }, (_, number) =>
        (pair[number % 2] as Store).write(async ({ settings, audit }) => {
          // Each name is wanted by both.
          await settings.insert({ name: `n${number >> 1}`, value: 'here' })
          audit.append(createRecord(`r${number}`))
          if (number % 10 === 0) throw new Error('undone')
        }),
      ),
    )
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'kept' : result.reason.code))
    // Of each pair one is kept: the other finds the name taken, unless the first was undone.
    for (let name = 0; name < 150; name++) {
      const pairOfCodes = codes.slice(2 * name, 2 * name + 2)
      expect(pairOfCodes.filter((code) => code === 'kept')).toHaveLength(1)
    }
    const found = await pair[0].audit.search({ limit: 1000 })
    expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: 150 }, (_, seq) => seq))
  })

  test('take turns in any order of changes, so that none waits for another in a circle', async () => {
    const pair = await Promise.all([open(), open()])
    await fill(pair[0])
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, number) =>
        (pair[number % 2] as Store).write(async ({ clients, delegations, policies }) => {
          const changes = [
            () => delegations.setStatus('agent', 'active', NOW + number),
            () => clients.update(createClient('agent', { updatedAt: NOW + number })),
            () => policies.update(createPolicy('policy', { roleName: 'member', updatedAt: NOW + number })),
          ]
          for (const change of number % 2 === 0 ? changes : changes.reverse()) await change()
        }),
      ),
    )
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([])
  })

  test('refuse a database that a newer version has migrated', async () => {
    await open()
    await schema.run("update settings set value = '99' where name = 'schema_version'")
    const refused = startReplica('a')
    expect(await refused.open).toMatch(/^state_newer PostgreSQL at ".*" has schema 99, this version knows/)
  })

  test('refuse a schema with tables of another program, and leave it alone', async () => {
    await schema.run('create table accounts (id integer)')
    await expect(openStore(schema.url)).rejects.toMatchObject({
      code: 'state_unreadable',
      hint: expect.stringContaining('?schema=NAME'),
    })
    const tables = await schema.run(`select tablename from pg_tables where schemaname = '${schema.name}'`)
    expect(tables).toEqual([{ tablename: 'accounts' }])
  })
})

describe('what one process revokes', () => {
  test('is revoked for the others at once, whatever they remember', async () => {
    const [one, other] = await Promise.all([open(), open()])
    await fill(one)
    for (let round = 0; round < 20; round++) {
      const status = round % 2 === 0 ? 'revoked' : 'active'
      await other.delegations.findStanding('agent', BILLING)
      await one.write(({ delegations }) => delegations.setStatus('agent', status, NOW + round))
      const standings = await Promise.all(
        [1, 2, 3].map(() => other.delegations.findStanding('agent', BILLING)),
      )
      expect(standings.map((standing) => standing?.delegation.status)).toEqual([status, status, status])
    }
  })

  test('is seen by a decision of another that is committed later', async () => {
    const [one, other] = await Promise.all([open(), open()])
    await fill(one)
    const decided = await other.delegations.findStanding('agent', BILLING)
    await one.write(({ delegations }) => delegations.setStatus('agent', 'revoked', NOW + 1))
    await expect(issue(other, decided?.revision, 'late')).rejects.toThrow('something changed')
    expect(await other.audit.head()).toBe(-1)
  })

  test('is never followed by an issuance in the log, also when both happen at once', async () => {
    const [one, other] = await Promise.all([open(), open()])
    await fill(one)
    let issued = 0
    for (let round = 0; round < 40; round++) {
      const decided = await other.delegations.findStanding('agent', BILLING)
      const revoke = () =>
        one.write(async ({ delegations, audit }) => {
          await delegations.setStatus('agent', 'revoked', NOW + round)
          audit.append(createRecord(`revoked ${round}`))
        })
      const mint = () => issue(other, decided?.revision, `issued ${round}`)
      const [first, second] = round % 2 === 0 ? [revoke, mint] : [mint, revoke]
      const results = await Promise.allSettled([first(), second()])
      issued += results.every(({ status }) => status === 'fulfilled') ? 1 : 0
      await one.write(({ delegations }) => delegations.setStatus('agent', 'active', NOW + round))
    }
    const log = (await one.audit.search({ limit: 1000 })).map(({ record }) => record)
    expect(log).toHaveLength(40 + issued)
    for (let round = 0; round < 40; round++) {
      const [revoked, minted] = ['revoked', 'issued'].map((what) => log.indexOf(`record ${what} ${round}`))
      expect(minted).toBeLessThan(Number(revoked))
    }
  })
})

describe('a process that stops in the middle of a transaction', () => {
  test('loses its turn to others of the same limit before they give up, and nothing of it is kept', async () => {
    // One after the other: the first one makes the tables, for which those with a limit do not wait.
    await open()
    const other = await open('&statement_timeout=1000')
    const stopped = await open('&statement_timeout=1000')
    const held = stopped.write(async ({ settings }) => {
      await settings.insert({ name: 'held', value: 'back' })
      // That can only go on when this transaction has ended.
      await other.write(({ settings }) => settings.insert({ name: 'other', value: 'here' }))
    })
    await expect(held).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    expect(await other.settings.find('other')).toBe('here')
    expect(await other.settings.find('held')).toBeUndefined()
    await stopped.write(({ settings }) => settings.insert({ name: 'again', value: 'here' }))
  })

  test('makes others wait no longer than their own limit', async () => {
    const holder = await open()
    const other = await open('&statement_timeout=300')
    await holder.write(async () => {
      const waiting = other.write(({ settings }) => settings.insert({ name: 'n', value: 'v' }))
      await expect(waiting).rejects.toMatchObject({
        code: 'temporarily_unavailable',
        retryable: true,
        cause: { code: '57014' },
      })
    })
    await other.write(({ settings }) => settings.insert({ name: 'n', value: 'v' }))
  })
})

describe('a work that passes over a failure', () => {
  test('fails by itself, because the engine has undone everything', async () => {
    const store = await open()
    await store.write(({ settings }) => settings.insert({ name: 'taken', value: 'v' }))
    const insert = (name: string) => store.write(({ settings }) => settings.insert({ name, value: 'v' }))
    const results = await Promise.allSettled([
      insert('before'),
      store.write(({ settings }) => settings.insert({ name: 'taken', value: 'w' }).catch(() => {})),
      insert('after'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    for (const name of ['before', 'after']) expect(await store.settings.find(name)).toBe('v')
  })
})

async function open(options = ''): Promise<Store> {
  const store = await openStore(schema.url + options)
  stores.push(store)
  return store
}

function issue(store: Store, revision: number | undefined, id: string): Promise<void> {
  return store.write(async ({ delegations, audit }) => {
    if ((await delegations.revision()) !== revision) throw new Error('something changed')
    audit.append(createRecord(id))
  })
}

async function fill(store: Store): Promise<void> {
  await store.write(async ({ users, clients, resources, policies, delegations }) => {
    await users.insertRole({ name: 'member', permissions: ['billing:read'] })
    await users.insert({ id: 'alice', email: 'alice@authsec.test', roles: ['member'], createdAt: NOW })
    await clients.insert(createClient('agent'))
    await resources.insert(createResource(BILLING))
    await policies.insert(createPolicy('policy', { roleName: 'member' }))
    await delegations.replace(createDelegation('delegation'))
  })
}

interface Replica {
  child: ChildProcess
  /** What it says first. */
  open: Promise<string>
  /** The ids of what it has said to be durable. */
  written: Set<string>
  /** Resolves when it has written so many more. */
  hasWritten(count: number): Promise<void>
}

function startReplica(name: string): Replica {
  const child = spawn(process.execPath, [path.join(program.directory, 'replica.mjs'), schema.url, name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  const written = new Set<string>()
  const open = once(lines, 'line').then(([line]: string[]) => String(line))
  lines.on('line', (line) => {
    for (const id of line.split(' ')) if (/^[ab]\d+$/.test(id)) written.add(id)
  })
  return {
    child,
    open,
    written,
    async hasWritten(count) {
      const goal = written.size + count
      while (written.size < goal) await once(lines, 'line')
    },
  }
}
