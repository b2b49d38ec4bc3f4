import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { makeDirectory, runCli } from '../support/run-cli.js'

const SECRET = 'S3CRET'
const INIT = [
  'dev',
  'init',
  '--issuer',
  'https://authsec.example',
  '--admin',
  'ada@team.example',
  '--password-stdin',
]
const PASSWORD = 'correct horse battery'
const env = { AUTHSEC_KEK: Buffer.alloc(32, 7).toString('base64') }

async function writeStoreFile(text: string, mode = 0o600): Promise<string> {
  const file = join(await makeDirectory(), 'store')
  await writeFile(file, text)
  await chmod(file, mode)
  return file
}

describe('the address of a database', () => {
  test.each([
    { why: 'before the host', store: `postgres://authsec:${SECRET}@db.example/authsec` },
    { why: 'among the options', store: `postgres://authsec@db.example/authsec?password=${SECRET}` },
    { why: 'in what is no address', store: `authsec:${SECRET}@db.example/authsec` },
  ])('that holds a password $why is refused as a flag, which everybody can see', async ({ store }) => {
    for (const command of [['dev', 'serve'], INIT]) {
      const run = await runCli([...command, '--store', store], { stdin: PASSWORD, env })
      expect(run).toMatchObject({ code: 2, stdout: '' })
      expect(run.stderr).not.toContain(SECRET)
    }
  })

  test('that holds a password is taken from a file, and the fix says so', async () => {
    const run = await runCli([...INIT, '--store', `postgres://authsec:${SECRET}@db.example/authsec`], { env })
    expect(run.stderr).toMatch(/holds a password.*\nhint: .*PGPASSWORD.*--store-file FILE/)
  })

  test.each([
    { why: 'a file that is not there', make: async () => '/nowhere/store', says: 'cannot be read (ENOENT)' },
    {
      why: 'a file that others can read',
      make: () => writeStoreFile('postgres://db.example/authsec', 0o644),
      says: 'is open to others',
    },
    {
      why: 'a file that is larger than an address',
      make: () => writeStoreFile(SECRET.padEnd(64 * 1024 + 1)),
      says: 'is larger than 64 KiB',
    },
    {
      why: 'a file that holds no address',
      make: () => writeStoreFile(SECRET),
      says: 'is not the address of',
    },
    {
      why: 'a file that holds half an address',
      make: () => writeStoreFile(`postgres://authsec:${SECRET}@`),
      says: 'names no host',
    },
  ])('is refused from $why, and shown by nobody', async ({ make, says }) => {
    const run = await runCli([...INIT, '--store-file', await make()], { stdin: PASSWORD, env })
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain(says)
    expect(run.stderr).not.toContain(SECRET)
  })
})

describe('dev init and dev serve', () => {
  test('make and serve a state in a database, and name it without user and password', async () => {
    const schema = await makePostgresSchema()
    const file = await writeStoreFile(`${schema.url}\n`)
    const made = await runCli([...INIT, '--store-file', file], { stdin: PASSWORD, env })
    expect(made).toMatchObject({ code: 0 })
    expect(made.stdout).toMatch(/^state\tPostgreSQL at "/m)
    expect(made.stderr).toContain(`--mode shared --issuer https://authsec.example --store-file ${file}`)
    expect(await runCli([...INIT, '--store-file', file], { stdin: PASSWORD, env })).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('has been initialised already'),
    })

    const keyboard = new AbortController()
    const served = await runCli(
      [
        'dev',
        'serve',
        '--mode',
        'shared',
        '--issuer',
        'https://authsec.example',
        '--store-file',
        file,
        '--audit-high-water',
        `${file}.mark`,
        '--port',
        '0',
      ],
      {
        env,
        signal: keyboard.signal,
        onComplaint: (text) => {
          if (text.includes('Ctrl-C')) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
        },
      },
    )
    expect(served).toMatchObject({ code: 130, stderr: expect.stringContaining('state in PostgreSQL at "') })
    const { password } = new URL(schema.url)
    for (const { stdout, stderr } of [made, served]) expect(stdout + stderr).not.toContain(password)
    await schema.drop()
  })

  test('let dev servers share a database on this machine, but not that of a team', async () => {
    const schema = await makePostgresSchema()
    const file = await writeStoreFile(schema.url)
    const serve = () => {
      const keyboard = new AbortController()
      return runCli(['dev', 'serve', '--store-file', file, '--allow-dev-postgres', '--port', '0'], {
        env,
        signal: keyboard.signal,
        onComplaint: (text) => {
          if (text.includes('Ctrl-C')) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
        },
      })
    }
    expect((await Promise.all([serve(), serve()])).map(({ code }) => code)).toEqual([130, 130])
    await schema.drop()

    const team = await makePostgresSchema()
    const teamFile = await writeStoreFile(team.url)
    await runCli([...INIT, '--store-file', teamFile], { stdin: PASSWORD, env })
    const args = ['dev', 'serve', '--store-file', teamFile, '--allow-dev-postgres', '--port', '0']
    expect(await runCli(args, { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('belongs to the issuer "https://authsec.example"'),
    })
    await team.drop()
  })
})
