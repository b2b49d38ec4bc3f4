import type { Kysely } from 'kysely'
import type { Schema } from './schema.js'
import type { SettingChanges } from './store.js'

export function createSettings(db: Kysely<Schema>): SettingChanges {
  return {
    async find(name) {
      const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
      return row?.value
    },
    async replace({ name, value }) {
      await db.updateTable('settings').set({ value }).where('name', '=', name).execute()
    },
    async insert(setting) {
      await db.insertInto('settings').values(setting).execute()
    },
  }
}
