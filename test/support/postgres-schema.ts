import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

/** A schema of its own for one test, on the server that all test files share. */
export interface PostgresSchema {
  /** Opens a store in it. */
  url: string
  name: string
  /** Runs one statement in it, behind the store's back. */
  run(statement: string): Promise<Record<string, unknown>[]>
  /** Removes it with all that is in it. */
  drop(): Promise<void>
}

/** The URL of the server that all test files share. */
export async function findPostgresUrl(): Promise<string> {
  const response = await fetch(inject('postgresHost'))
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text
}

let shared: Promise<pg.Client> | undefined

/** Makes a new schema, on another server if its URL is given. */
export async function makePostgresSchema(server?: string): Promise<PostgresSchema> {
  const url = new URL(server ?? (await findPostgresUrl()))
  const name = `test_${randomUUID().replaceAll('-', '')}`
  shared ??= connect(await findPostgresUrl())
  const client = server === undefined ? await shared : await connect(server)
  await client.query(`create schema ${name}`)
  url.searchParams.set('schema', name)
  return {
    url: url.href,
    name,
    async run(statement) {
      const result: unknown = await client.query(`set search_path = ${name}; ${statement}`)
      return (result as pg.QueryResult[]).at(-1)?.rows ?? []
    },
    async drop() {
      await client.query(`drop schema ${name} cascade`)
      if (server !== undefined) await client.end()
    },
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // The server may be stopped under it.
  client.on('error', () => {})
  await client.connect()
  return client
}
