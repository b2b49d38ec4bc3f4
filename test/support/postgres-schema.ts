import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { once } from './once.js'

/** A schema of its own for one test, on the server that all test files share. */
export interface PostgresSchema {
  /** Opens a store in it. */
  url: string
  name: string
  /** Runs one statement in it, behind the store's back; connects anew where the server has been away. */
  run(statement: string): Promise<Record<string, unknown>[]>
  /** Removes it with all that is in it. */
  drop(): Promise<void>
  /** Closes the connection of `run`. */
  end(): Promise<void>
}

/** Makes a new schema, on another server if its URL is given. */
export async function makePostgresSchema(server?: string): Promise<PostgresSchema> {
  const url = new URL(server ?? (await findHost()).url)
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const pool = server === undefined ? (await findHost()).pool : openPool(server)
  await pool.query(`create schema ${name}`)
  url.searchParams.set('schema', name)
  return {
    url: url.href,
    name,
    async run(statement) {
      // The statement last, on its own, because some may not share a transaction with another.
      const client = await pool.connect()
      try {
        await client.query(`set search_path = ${name}`)
        return (await client.query(statement)).rows
      } finally {
        client.release()
      }
    },
    async drop() {
      await pool.query(`drop schema ${name} cascade`)
    },
    end: () => pool.end(),
  }
}

/** The server that all test files share, and the one connection of this process to it. */
const findHost = once(async () => {
  const response = await fetch(inject('postgresHost'))
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return { url: text, pool: openPool(text) }
})

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 1, allowExitOnIdle: true })
  // The server may be stopped under it.
  pool.on('error', () => {})
  return pool
}
