import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { makeDirectory, runCli } from '../support/run-cli.js'

let directory: string
beforeEach(async () => {
  directory = await makeDirectory()
})

const WORKS: readonly string[][] = [
  ['keys', 'rewrap'],
  ['dev', 'snapshot', 'save', 'copy.jsonl'],
  ['dev', 'reset', '--confirm', 'nobody'],
  ['dev', 'reindex'],
  ['dev', 'recover', '--accept-loss'],
]

describe('a command that works on a state makes none', () => {
  test.each(WORKS)('where the place of it is mistyped: authsec %s %s', async (...command) => {
    const state = join(directory, 'mistyped')
    const args = command.map((arg) => (arg === 'copy.jsonl' ? join(directory, arg) : arg))
    expect(await runCli([...args, '--state', state])).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/holds no state of a server\nhint: Check which one was meant/),
    })
    expect(await readdir(directory)).toEqual([])
  })

  test.each(WORKS)('where the database is empty: authsec %s %s', async (...command) => {
    const database = join(directory, 'authsec.db')
    await writeFile(database, '', { mode: 0o600 })
    const args = command.map((arg) => (arg === 'copy.jsonl' ? join(directory, arg) : arg))
    expect(await runCli([...args, '--state', directory])).toMatchObject({ code: 6 })
    expect(await readdir(directory)).toEqual(['authsec.db'])
    expect((await readFile(database)).length).toBe(0)
  })

  test.each(WORKS)('where a server of databases has an empty one: authsec %s %s', async (...command) => {
    const schema = await makePostgresSchema()
    onTestFinished(schema.drop)
    const store = join(directory, 'store')
    await writeFile(store, schema.url, { mode: 0o600 })
    const args = command.map((arg) => (arg === 'copy.jsonl' ? join(directory, arg) : arg))
    const kek = ['--kek-file', await writeKek('kek')]
    const needs: Record<string, string[]> = {
      rewrap: ['--new-kek-file', await writeKek('next')],
      recover: ['--old-log', join(directory, 'lost')],
    }
    const run = await runCli([...args, '--store-file', store, ...kek, ...(needs[command[1] ?? ''] ?? [])])
    expect(run).toMatchObject({ code: 6, stderr: expect.stringContaining('holds no state of a server') })
    expect(await schema.run(TABLES)).toEqual([])
  })
})

const TABLES = 'select tablename from pg_catalog.pg_tables where schemaname = current_schema()'

async function writeKek(name: string): Promise<string> {
  const file = join(directory, name)
  await writeFile(file, randomBytes(32).toString('base64'), { mode: 0o600 })
  return file
}
