import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'

/** Everything that a state holds: the bytes of its files, and of the database the rows, because opening it counts. */
export async function hashState(state: string): Promise<(readonly [path: string, hash: string])[]> {
  const entries = await readdir(state, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Promise.all(
    paths.sort().map(async (path) => {
      const content = path.endsWith('.db') ? dumpDatabase(path, await readFile(path)) : await readFile(path)
      return [path, createHash('sha256').update(content).digest('hex')] as const
    }),
  )
}

// What is no database any more is its bytes.
function dumpDatabase(path: string, bytes: Buffer): string | Buffer {
  if (!bytes.toString('latin1', 0, 16).startsWith('SQLite format 3')) return bytes
  const database = new Database(path)
  const read = (statement: string) => database.prepare(statement).raw().all() as unknown[][]
  const tables = read(`select name, sql from sqlite_master order by name`)
  const rows = tables
    .filter(([, sql]) => /^create table/i.test(`${sql}`))
    .map(([name]) => read(`select * from ${name}`))
  database.close()
  return JSON.stringify([tables, rows], (_name, value) =>
    value instanceof ArrayBuffer ? Buffer.from(value).toString('hex') : value,
  )
}
