import { openStore } from '../../src/store/open.js'
import type { OpenedStore, OpenStore } from '../store/contract.js'
import { makePostgresSchema, type PostgresSchema } from './postgres-schema.js'

/**
 * Opens stores in schemas that are used again once they are empty, because making all tables anew takes longer than a
 * test.
 */
export interface SchemaStores {
  open: OpenStore
  /** Removes the schemas. */
  drop(): Promise<void>
}

/** Keeps stores on the PostgreSQL server that all test files share, or on another one. */
export function createSchemaStores(findServer: () => string | undefined = () => undefined): SchemaStores {
  const idle: PostgresSchema[] = []

  async function open(): Promise<OpenedStore> {
    const schema = idle.pop() ?? (await makePostgresSchema(findServer()))
    const store = await openStore(schema.url)
    return {
      store,
      // The server then says what it says when its disk is full.
      async exhaust() {
        await schema.run(`create or replace function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`)
        await schema.run('create trigger full_disk before insert on settings execute function refuse()')
      },
      async relieve() {
        await schema.run('drop trigger full_disk on settings')
      },
      async tamper(statements) {
        for (const statement of statements) await schema.run(statement)
      },
      async remove() {
        await store.close()
        await schema.run(EMPTY)
        idle.push(schema)
      },
    }
  }

  return {
    open,
    async drop() {
      for (const schema of idle.splice(0)) {
        await schema.drop()
        if (findServer() !== undefined) await schema.end()
      }
    },
  }
}

// The youngest tables first, because they refer to the older ones.
const EMPTY = `do $$
  declare emptied regclass;
  begin
    for emptied in
      select oid from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace
        and relname <> 'settings' order by oid desc
    loop execute format('delete from %s', emptied);
    end loop;
    delete from settings where name <> 'schema_version' and name not like '%_revision';
    update settings set value = '0' where name like '%_revision';
  end $$`
