import { Kysely, sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { AUDIT_INDEXES, reindexAudit } from '../../src/store/audit-terms.js'
import { createStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { describeStore, type OpenedStore } from './contract.js'
import { makeStateDirectory } from './state-directory.js'

describeStore('SQLite in memory', () => openEngine(':memory:', () => {}))

describeStore('a SQLite file', () => {
  const { file, remove } = makeStateDirectory()
  return openEngine(file, remove)
})

describe('binding', () => {
  const db = new Kysely<object>({ dialect: openSqlite(':memory:').dialect })
  const bytes = new Uint8Array([0, 255, 1])

  test.each<{ what: string; value: unknown; comesBack: unknown }>([
    { what: 'true', value: true, comesBack: 1 },
    { what: 'false', value: false, comesBack: 0 },
    { what: 'null', value: null, comesBack: null },
    { what: 'a fraction', value: 1.5, comesBack: 1.5 },
    { what: 'a big integer', value: 2n ** 40n, comesBack: 2 ** 40 },
    { what: 'bytes', value: bytes, comesBack: bytes },
    { what: 'no bytes', value: new Uint8Array(0), comesBack: new Uint8Array(0) },
    { what: 'a part of bytes', value: bytes.subarray(1), comesBack: new Uint8Array([255, 1]) },
    { what: 'a buffer', value: Buffer.from('abc'), comesBack: new Uint8Array([97, 98, 99]) },
  ])('keeps $what', async ({ value, comesBack }) => {
    const { rows } = await sql`select ${value} as value`.execute(db)
    expect(rows).toEqual([{ value: comesBack }])
  })

  test.each<{ what: string; value: unknown }>([
    { what: 'bytes by another view', value: new Uint16Array(1) },
    { what: 'a bare buffer', value: new ArrayBuffer(1) },
    { what: 'undefined', value: undefined },
    { what: 'a symbol', value: Symbol('s') },
    { what: 'minus infinity', value: Number.NEGATIVE_INFINITY },
  ])('refuses $what', async ({ value }) => {
    await expect(sql`select ${sql.value(value)} as value`.execute(db)).rejects.toThrow(TypeError)
  })

  test('refuses an integer that does not fit', async () => {
    await expect(sql`select ${2n ** 63n} as value`.execute(db)).rejects.toThrow()
  })
})

test('what makes writing impossible is temporarily_unavailable, and over when it is over', async () => {
  const engine = openSqlite(':memory:')
  const db = new Kysely<object>({ dialect: engine.dialect })
  const store = await createStore(engine, 'memory')
  const add = () => store.write(({ settings }) => settings.insert({ name: 'n', value: 'v' }))
  await sql`pragma query_only = on`.execute(db)
  await expect(add()).rejects.toMatchObject({
    code: 'temporarily_unavailable',
    cause: { code: 'SQLITE_READONLY' },
  })
  await sql`pragma query_only = off`.execute(db)
  await add()
  expect(await store.settings.find('n')).toBe('v')
  await store.close()
})

test('the search index that is made again has the indexes that the migrations have made', async () => {
  const engine = openSqlite(':memory:')
  const db = new Kysely<object>({ dialect: engine.dialect })
  const store = await createStore(engine, 'memory')
  const readIndexes = async () => {
    const { rows } = await sql<{ name: string; sql: string }>`
      select name, sql from sqlite_master where type = 'index' and sql is not null and tbl_name = 'audit_terms'
      order by name`.execute(db)
    return rows.map(({ sql: text }) => text.toLowerCase().replaceAll('"', ''))
  }
  const before = await readIndexes()
  await reindexAudit(store)
  expect(await readIndexes()).toEqual(before)
  expect(before).toHaveLength(Object.keys(AUDIT_INDEXES).length)
  await store.close()
})

async function openEngine(file: string, remove: () => void): Promise<OpenedStore> {
  const engine = openSqlite(file)
  const store = await createStore(engine, file)
  // A second way to the same connection.
  const db = new Kysely<object>({ dialect: engine.dialect })
  return {
    store,
    async exhaust() {
      await sql`pragma max_page_count = 1`.execute(db)
    },
    async relieve() {
      await sql`pragma max_page_count = 1000000`.execute(db)
    },
    async tamper(statements) {
      for (const statement of statements) await sql.raw(statement).execute(db)
    },
    async remove() {
      await store.close()
      remove()
    },
  }
}
