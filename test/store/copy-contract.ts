import { describe, expect, test } from 'vitest'
import { MIGRATIONS } from '../../src/store/migrations.js'
import type { StoredRow } from '../../src/store/state-copy.js'
import type { Store } from '../../src/store/store.js'
import type { GetOpened } from './contract.js'

const LATEST = MIGRATIONS.at(-1)?.version ?? 0
const EMAILS = Array.from(
  { length: 600 },
  (_, index) => `user-${String(index).padStart(3, '0')}@authsec.test`,
)

type Row = { table: string; row: StoredRow }

async function fill({ write }: Pick<Store, 'write'>, emails: readonly string[]): Promise<void> {
  await write(async ({ users }) => {
    for (const email of emails) await users.insert({ id: email, email, roles: [], createdAt: 1 })
  })
}

async function listUsers(store: Store, happening: () => Promise<void> = async () => {}): Promise<string[]> {
  const found: string[] = []
  await store.copy(['users'], async (_table, rows) => {
    if (found.length === 0) await happening()
    found.push(...rows.map(({ email }) => String(email)))
  })
  return found
}

async function* stream(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows
}

const user = (email: string): Row => ({ table: 'users', row: { id: email, email, active: 1, created_at: 1 } })

/** Everything that is kept, read at once and put in the place of what was there. */
export function describeCopies(get: GetOpened): void {
  describe('a copy', () => {
    test('has every row once, in order, and those of the tables that are asked for only', async () => {
      const { store } = get()
      await fill(store, [...EMAILS].reverse())
      expect(await listUsers(store)).toEqual(EMAILS)
    })

    test('is of one moment: what is written while it is made comes after it', async () => {
      const { store } = get()
      await fill(store, EMAILS)
      let later: Promise<void> | undefined
      const found = await listUsers(store, async () => {
        later = fill(store, ['zoe@authsec.test'])
        // Where others can write, they have.
        if (!store.isAlone) await later
      })
      await later
      expect(found).toEqual(EMAILS)
      expect(await listUsers(store)).toEqual([...EMAILS, 'zoe@authsec.test'])
    })
  })

  describe('another state in the place of the one that is kept', () => {
    test.each([1, 8, LATEST])('is there whole, from schema %i on', async (schema) => {
      const { store } = get()
      await fill(store, ['old@authsec.test'])
      const rows = [{ table: 'settings', row: { name: 'tenant_id', value: 't' } }, ...EMAILS.map(user)]
      const before = [await store.keys.revision(), await store.delegations.revision()]
      const seen = await store.rebuild(async ({ settings, users }, refill) => {
        await refill(schema, stream(rows))
        await settings.insert({ name: 'more', value: 'x' })
        return (await users.findByEmail('user-599@authsec.test'))?.id
      })
      expect(seen).toBe('user-599@authsec.test')
      expect(await listUsers(store)).toEqual(EMAILS)
      expect(await store.settings.find('tenant_id')).toBe('t')
      expect(await store.settings.find('more')).toBe('x')
      // What was decided under a number of the former state must not hold for this one.
      expect(await store.keys.revision()).toBeGreaterThan(before[0] as number)
      expect(await store.delegations.revision()).toBeGreaterThan(before[1] as number)
      expect(await store.settings.find('schema_version')).toBe(String(LATEST))
      await fill(store, ['zoe@authsec.test'])
      expect(await store.users.findByEmail('zoe@authsec.test')).toBeDefined()
    })

    test.each<{ what: string; rows: Row[] }>([
      { what: 'a column is unknown', rows: [{ table: 'users', row: { rank: 1 } }] },
      { what: 'a value is missing', rows: [{ table: 'users', row: { id: 'x' } }] },
      { what: 'a row stands twice', rows: [user('x'), user('x')] },
    ])('is undone with everything where $what', async ({ rows }) => {
      const { store } = get()
      await fill(store, EMAILS)
      const rebuilt = store.rebuild((_transaction, refill) => refill(LATEST, stream([user('new'), ...rows])))
      await expect(rebuilt).rejects.toMatchObject({ code: 'state_unreadable' })
      expect(await listUsers(store)).toEqual(EMAILS)
      await fill(store, ['zoe@authsec.test'])
    })
  })
}
