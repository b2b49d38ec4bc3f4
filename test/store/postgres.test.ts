import { openStore } from '../../src/store/open.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { describeStore, type OpenedStore } from './contract.js'

describeStore('PostgreSQL', openSchema)

async function openSchema(): Promise<OpenedStore> {
  const { url, run, drop } = await makePostgresSchema()
  const store = await openStore(url)
  return {
    store,
    // The server then says what it says when its disk is full.
    async exhaust() {
      await run(`create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`)
      await run('create trigger full_disk before insert on settings execute function refuse()')
    },
    async relieve() {
      await run('drop trigger full_disk on settings')
    },
    async remove() {
      await store.close()
      await drop()
    },
  }
}
