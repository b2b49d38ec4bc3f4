import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Kysely, sql } from 'kysely'
import Database from 'libsql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIGRATIONS } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { Store } from '../../src/store/store.js'
import { createClient, createDelegation, createKey, createPolicy, createRecord, NOW } from './samples.js'
import { makeStateDirectory, type StateDirectory } from './state-directory.js'

let state: StateDirectory
beforeEach(() => {
  state = makeStateDirectory()
})
afterEach(() => state.remove())

describe('a file that cannot be the store is refused and left as it is', () => {
  test.each<{ what: string; bytes: () => Promise<Uint8Array | string> }>([
    { what: 'text', bytes: async () => 'this is not a database\n'.repeat(500) },
    { what: 'a few bytes', bytes: async () => 'hello' },
    { what: 'the first bytes of a database', bytes: async () => 'SQLite format 3\0' },
    { what: 'half a database', bytes: async () => cutInHalf(await readNewDatabase()) },
    { what: 'a database with a damaged start', bytes: async () => damage(await readNewDatabase()) },
  ])('$what', async ({ bytes }) => {
    writeFileSync(state.file, await bytes())
    await expectRefused('state_unreadable')
  })

  test.each([
    { what: 'of other tables', statements: ['create table accounts (id integer)'] },
    { what: 'with settings of another form', statements: ['create table settings (key text, value text)'] },
    { what: 'with settings and no version', statements: ['create table settings (name text, value text)'] },
    {
      what: 'with a version that is no number',
      statements: [
        'create table settings (name text, value text)',
        "insert into settings values ('schema_version', '')",
      ],
    },
  ])('the database of another program, $what', async ({ statements }) => {
    execute(state.file, statements)
    chmodSync(state.file, 0o644)
    await expectRefused('state_unreadable')
  })

  test('the database of another program that has a log beside it', async () => {
    execute(state.file, ['pragma journal_mode = wal', 'create table accounts (id integer)'])
    const before = readFileSync(state.file)
    await expect(openStore(state.file)).rejects.toMatchObject({ code: 'state_unreadable' })
    expect(readFileSync(state.file)).toEqual(before)
  })

  test('the state of a newer version, which is named', async () => {
    await (await openStore(state.file)).close()
    execute(state.file, ["update settings set value = '99' where name = 'schema_version'"])
    const error = await expectRefused('state_newer')
    expect(error).toMatchObject({
      message: expect.stringContaining('has schema 99, this version knows'),
      hint: expect.stringContaining('Upgrade'),
    })
  })

  test('a directory', async () => {
    mkdirSync(state.file)
    await expect(openStore(state.file)).rejects.toMatchObject({
      name: 'AuthsecError',
      code: 'state_unreadable',
    })
    expect(readdirSync(state.file)).toEqual([])
  })

  test('a path that leads nowhere', async () => {
    const file = path.join(state.directory, 'missing', 'authsec.db')
    await expect(openStore(file)).rejects.toMatchObject({ name: 'AuthsecError', code: 'state_unreadable' })
    expect(readdirSync(state.directory)).toEqual([])
  })

  // Root may read and write everything.
  test.runIf(process.getuid?.() !== 0).each([0o000, 0o400, 0o200])('a file of mode %o', async (mode) => {
    await (await openStore(state.file)).close()
    chmodSync(state.file, mode)
    await expect(openStore(state.file)).rejects.toMatchObject({
      code: 'state_unreadable',
      message: expect.stringContaining('EACCES'),
    })
    expect(statSync(state.file).mode & 0o777).toBe(mode)
  })

  test('and its name is shown without what it would do to a terminal', async () => {
    const file = path.join(state.directory, '\u001b[2J.db')
    writeFileSync(file, 'not a database')
    const error = await openStore(file).catch((error) => error)
    expect(error.message).toContain('\\u001b[2J.db')
  })

  async function expectRefused(code: string): Promise<unknown> {
    const before = describeDirectory()
    const error = await openStore(state.file).catch((error) => error)
    expect(error).toMatchObject({ name: 'AuthsecError', code, hint: expect.any(String) })
    expect(error.message).toContain(state.file)
    expect(describeDirectory()).toEqual(before)
    return error
  }

  function describeDirectory(): unknown {
    return readdirSync(state.directory).map((name) => {
      const file = path.join(state.directory, name)
      return { name, mode: statSync(file).mode, bytes: readFileSync(file).toString('latin1') }
    })
  }
})

describe('a store in a file', () => {
  test.skipIf(process.platform === 'win32')(
    'is for its owner only, with all that lies beside it',
    async () => {
      const store = await openStore(state.file)
      await store.write(({ settings }) => settings.insert({ name: 'n', value: 'v' }))
      for (const name of readdirSync(state.directory)) {
        expect(`${name} ${(statSync(path.join(state.directory, name)).mode & 0o777).toString(8)}`).toBe(
          `${name} 600`,
        )
      }
      await store.close()
    },
  )

  test.skipIf(process.platform === 'win32')('is closed to others where it was open to them', async () => {
    await (await openStore(state.file)).close()
    chmodSync(state.file, 0o644)
    await (await openStore(state.file)).close()
    expect(statSync(state.file).mode & 0o777).toBe(0o600)
  })

  test('keeps every row over a restart', async () => {
    const first = await openStore(state.file)
    await first.write(async ({ settings, users, clients, policies, delegations, keys, audit }) => {
      await settings.insert({ name: 'n', value: 'v' })
      await users.insertRole({ name: 'member', permissions: ['billing:read'] })
      await users.insert({ id: 'alice', email: 'alice', roles: ['member'], createdAt: NOW })
      await clients.insert(createClient('agent'))
      await policies.insert(createPolicy('policy'))
      await delegations.replace(createDelegation('d'))
      await keys.insert(createKey('k'))
      audit.append(createRecord('r'))
    })
    const before = await readAll(first)
    await first.close()

    const second = await openStore(state.file)
    expect(await readAll(second)).toEqual(before)
    await second.write(async ({ audit }) => audit.append(createRecord('next')))
    expect(await second.audit.head()).toBe(1)
    await second.close()
  })

  test('leaves one file behind when it is closed, and can be opened again at once, many times', async () => {
    for (let time = 0; time < 20; time++) {
      const store = await openStore(state.file)
      await store.write(({ settings }) => settings.insert({ name: `n${time}`, value: 'v' }))
      await store.close()
      expect(readdirSync(state.directory)).toEqual(['authsec.db'])
    }
  })

  test('answers what is under way while it closes', async () => {
    const store = await openStore(state.file)
    const reads = Array.from({ length: 20 }, () => store.settings.find('schema_version'))
    const writes = Array.from({ length: 20 }, (_, number) =>
      store.write(({ settings }) => settings.insert({ name: `n${number}`, value: 'v' })),
    )
    const [, ...read] = await Promise.all([store.close(), ...reads, ...writes])
    expect(read.slice(0, 20)).toEqual(Array(20).fill(String(MIGRATIONS.at(-1)?.version)))
    const again = await openStore(state.file)
    expect(await again.settings.find('n19')).toBe('v')
    await again.close()
  })

  test('is the file that was named, whatever the name looks like', async () => {
    const directory = process.cwd()
    process.chdir(state.directory)
    try {
      mkdirSync('file:x')
      await (await openStore('file:x/authsec.db?mode=memory')).close()
      expect(readdirSync('file:x')).toEqual(['authsec.db?mode=memory'])
      expect(statSync('file:x/authsec.db?mode=memory').size).toBeGreaterThan(0)
      expect(existsSync('x')).toBe(false)
    } finally {
      process.chdir(directory)
    }
  })
})

describe('migrations', () => {
  test('run once: a second start changes no table and no version', async () => {
    await (await openStore(state.file)).close()
    const first = await readSchema(state.file)
    await (await openStore(state.file)).close()
    expect(await readSchema(state.file)).toEqual(first)
    expect(JSON.stringify(first)).toContain('audit_events')
  })

  test('take effect together or not at all', async () => {
    // Version 0 with one of the last tables there already: the first step fails in its middle.
    execute(state.file, [
      'create table settings (name text primary key, value text not null)',
      "insert into settings values ('schema_version', '0'), ('authority_revision', '0')",
      'create table audit_private (event_id text)',
    ])
    const before = await readSchema(state.file)
    await expect(openStore(state.file)).rejects.toMatchObject({ code: 'state_unreadable' })
    expect(await readSchema(state.file)).toEqual(before)
  })
})

/** Changes a database behind the store's back. */
function execute(file: string, statements: readonly string[]): void {
  const database = new Database(file)
  for (const statement of statements) database.exec(statement)
  database.close()
}

async function readSchema(file: string): Promise<unknown> {
  const db = new Kysely<object>({ dialect: openSqlite(file).dialect })
  const { rows: tables } = await sql`select name, sql from sqlite_master order by name`.execute(db)
  const { rows: settings } = await sql`select * from settings order by name`.execute(db)
  await db.destroy()
  return { tables, settings }
}

async function readNewDatabase(): Promise<Uint8Array> {
  const { file, remove } = makeStateDirectory()
  await (await openStore(file)).close()
  const bytes = readFileSync(file)
  remove()
  return bytes
}

function cutInHalf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length / 2)
}

function damage(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, index) => (index >= 100 && index < 4096 ? 0xa5 : byte))
}

async function readAll(store: Store): Promise<unknown> {
  return {
    setting: await store.settings.find('n'),
    user: await store.users.find('alice'),
    clients: await store.clients.list({ offset: 0, limit: 10 }),
    policies: await store.policies.list({}),
    delegation: await store.delegations.findByClient('agent'),
    revision: await store.delegations.revision(),
    keys: await store.keys.list(),
    records: await store.audit.search({ limit: 10 }),
  }
}
