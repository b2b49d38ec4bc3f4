import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { initServer, startServer, startSharedServer } from '../../../../src/server/index.js'
import { makePostgresSchema } from '../../../support/postgres-schema.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'

const ISSUER = 'https://authsec.example'
const ADMIN = { email: 'root@team.example', password: 'correct horse battery' }

async function writeKek(byte: number): Promise<{ file: string; kek: Uint8Array }> {
  const kek = new Uint8Array(32).fill(byte)
  const file = join(await makeDirectory(), 'kek')
  await writeFile(file, Buffer.from(kek).toString('base64'), { mode: 0o600 })
  return { file, kek }
}
const rewrap = (...args: string[]) => runCli(['keys', 'rewrap', ...args])

describe('authsec keys rewrap', () => {
  test('gives the state of a developer another key, and the server starts with it', async () => {
    const state = join(await makeDirectory(), 'state')
    const first = await startServer({ state, port: 0 })
    const jwks = await (await fetch(`${first.url}/oauth/jwks`)).text()
    await first.close()
    const { code, stdout, stderr } = await rewrap('--state', state)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^former key\t[\da-f]{16}\nnew key\t[\da-f]{16}\nversion\t2\nvalues\t\d+\n$/)
    expect(stdout).not.toContain((await readFile(join(state, 'kek'), 'utf8')).trim())
    const second = await startServer({ state, port: 0 })
    expect(await (await fetch(`${second.url}/oauth/jwks`)).text()).toBe(jwks)
    await second.close()
  })

  test("changes the key of a team's server to one that is given", async () => {
    const state = join(await makeDirectory(), 'state')
    const [old, next] = [await writeKek(1), await writeKek(2)]
    await initServer({ state, kek: old.kek, issuer: ISSUER, admin: ADMIN })
    const args = ['--state', state, '--kek-file', old.file, '--new-kek-file', next.file, '--json']
    const { code, stdout } = await rewrap(...args)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ kek_version: 2, values: expect.any(Number) })
    const options = { state, issuer: ISSUER, port: 0, auditHighWater: `${state}.mark` }
    await expect(startSharedServer({ ...options, kek: old.kek })).rejects.toMatchObject({
      code: 'state_unreadable',
    })
    const server = await startSharedServer({ ...options, kek: next.kek })
    await server.close()
    expect(await rewrap(...args)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('is another one: this state is sealed with'),
    })
  })

  test('is refused while a server runs, naming it', async () => {
    const state = join(await makeDirectory(), 'state')
    const server = await startServer({ state, port: 0 })
    expect(await rewrap('--state', state)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`in use by the server with pid ${process.pid}`),
    })
    await server.close()
  })

  test('is refused while a server of the database runs, saying what to do, and done when none does', async () => {
    const schema = await makePostgresSchema()
    onTestFinished(() => schema.drop())
    const [old, next] = [await writeKek(1), await writeKek(2)]
    const storeFile = join(await makeDirectory(), 'store')
    await writeFile(storeFile, schema.url, { mode: 0o600 })
    const options = { store: schema.url, issuer: ISSUER, port: 0, auditHighWater: `${storeFile}.mark` }
    await initServer({ ...options, kek: old.kek, admin: ADMIN })
    const server = await startSharedServer({ ...options, kek: old.kek })
    onTestFinished(() => server.close())
    const args = ['--store-file', storeFile, '--kek-file', old.file, '--new-kek-file', next.file]
    expect(await rewrap(...args)).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/a server runs on this state\n.*Stop every server/),
    })
    await server.close()
    expect(await rewrap(...args)).toMatchObject({ code: 0, stderr: '' })
    await (await startSharedServer({ ...options, kek: next.kek })).close()
  })

  test.each([
    { args: ['--store', 'postgres://db/authsec'], says: 'the key-encryption key from now on is missing' },
    { args: ['--kek-file', 'kek'], says: 'the key-encryption key from now on is missing' },
    {
      args: ['--store', 'postgres://db/authsec', '--new-kek-file', 'kek'],
      says: 'the key-encryption key is missing',
    },
    { args: ['--new-kek-file', '/nowhere/kek'], says: 'the key "/nowhere/kek" cannot be read' },
  ])('is refused with $args', async ({ args, says }) => {
    expect(await rewrap(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(says) })
  })
})
