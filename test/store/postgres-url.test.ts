import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { isPostgresUrl, parsePostgresUrl } from '../../src/store/postgres-url.js'
import { makeStateDirectory } from './state-directory.js'

const files = makeStateDirectory()
afterAll(() => files.remove())
const pem = path.join(files.directory, 'root.pem')
writeFileSync(pem, 'a certificate')

describe('the address of a database', () => {
  test('is one by its scheme', () => {
    for (const text of ['postgres://h/d', 'postgresql://h/d', 'POSTGRES://h/d']) {
      expect(isPostgresUrl(text)).toBe(true)
    }
    for (const text of ['authsec.db', ':memory:', 'postgres.db', 'mysql://h/d', './postgres://h/d']) {
      expect(isPostgresUrl(text)).toBe(false)
    }
  })

  test('says everything', () => {
    expect(
      parsePostgresUrl(
        'postgres://al%40ice:p%2Fw%3A@db.example:6432/my%20db?schema=team_a&application_name=a1&pool_size=4' +
          `&connect_timeout=2&statement_timeout=700&sslmode=verify-full&sslrootcert=${pem}`,
      ),
    ).toEqual({
      name: 'PostgreSQL at "db.example:6432/my db"',
      host: 'db.example',
      port: 6432,
      database: 'my db',
      user: 'al@ice',
      password: 'p/w:',
      schema: 'team_a',
      applicationName: 'a1',
      poolSize: 4,
      connectTimeoutMs: 2000,
      statementTimeoutMs: 700,
      tls: { host: 'db.example', rejectUnauthorized: true, ca: 'a certificate' },
    })
  })

  test('says little and leaves the rest to what is usual', () => {
    expect(parsePostgresUrl('postgres://localhost/db')).toEqual({
      name: 'PostgreSQL at "localhost:5432/db"',
      host: 'localhost',
      port: 5432,
      database: 'db',
      user: undefined,
      password: undefined,
      schema: undefined,
      applicationName: 'authsec',
      poolSize: 10,
      connectTimeoutMs: 5000,
      statementTimeoutMs: 10_000,
      tls: false,
    })
  })

  test.each([
    { address: 'postgres://[::1]/db', host: '::1' },
    { address: 'postgres://u@%2Frun%2Fpostgresql/db', host: '/run/postgresql' },
    { address: 'postgres:///db?host=/run/postgresql', host: '/run/postgresql' },
    { address: 'postgres://u@/db?host=/cloudsql/p:r:i', host: '/cloudsql/p:r:i', user: 'u' },
    { address: 'postgres://u:a%40b@/db?host=/run/postgresql', host: '/run/postgresql', password: 'a@b' },
  ])('$address names the host $host', ({ address, ...parts }) => {
    expect(parsePostgresUrl(address)).toMatchObject({ ...parts, database: 'db', tls: false })
  })

  test.each([
    { where: 'on this machine', address: 'postgres://127.0.0.1/db', tls: false },
    {
      where: 'by a name that looks like an address of this machine',
      address: 'postgres://127.0.0.1.nip.example/db',
      tls: { host: '127.0.0.1.nip.example', rejectUnauthorized: true },
    },
    {
      where: 'elsewhere',
      address: 'postgres://db/db',
      tls: { host: 'db', rejectUnauthorized: true },
    },
    { where: 'elsewhere in the clear', address: 'postgres://db/db?sslmode=disable', tls: false },
    {
      where: 'elsewhere with anybody',
      address: 'postgres://db/db?sslmode=require',
      tls: { host: 'db', rejectUnauthorized: false },
    },
    {
      where: 'elsewhere with whoever an authority knows',
      address: 'postgres://db/db?sslmode=verify-ca',
      tls: { host: 'db', rejectUnauthorized: true, checkServerIdentity: expect.any(Function) },
    },
  ])('is encrypted as it has to be: $where', ({ address, tls }) => {
    expect(parsePostgresUrl(address).tls).toEqual(tls)
  })

  test.each([
    { address: 'postgres://u:SECRET@host:port/db', says: 'is no URL' },
    { address: 'postgres://u:SECRET@host/db#x', says: 'is no URL' },
    { address: 'postgres://u:SE%CRET@host/db', says: 'has a password with a % that begins nothing' },
    { address: 'postgres://u:SECRET@host', says: 'names no database' },
    { address: 'postgres:///db', says: 'names no host' },
    { address: 'postgres://u:SECRET@/db', says: 'names no host' },
    { address: 'postgres://u:SECRET@host/db?sslmod=disable', says: 'unknown option "sslmod"' },
    { address: 'postgres://u:SECRET@host/db?password=SECRET', says: 'unknown option "password"' },
    { address: 'postgres://u:SECRET@host/db?sslmode=prefer', says: 'has sslmode="prefer"' },
    { address: 'postgres://u:SECRET@host/db?sslmode=disable&sslmode=require', says: 'has sslmode twice' },
    { address: 'postgres://u:SECRET@host/db?sslrootcert=/no/file', says: 'cannot be read (ENOENT)' },
    { address: 'postgres://u:SECRET@host/db?schema=a b', says: 'has the schema "a b"' },
    { address: 'postgres://u:SECRET@host/db?schema=a -c fsync', says: 'has the schema' },
    { address: 'postgres://u:SECRET@host/db?pool_size=1', says: 'has pool_size="1"' },
    { address: 'postgres://u:SECRET@host/db?statement_timeout=0', says: 'has statement_timeout="0"' },
    { address: 'postgres://u:SECRET@host/db?connect_timeout=1e3', says: 'has connect_timeout="1e3"' },
  ])('is refused, and not repeated, when it $says', ({ address, says }) => {
    const error = catchError(() => parsePostgresUrl(address))
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringContaining(says) })
    expect(error).toMatchObject({ hint: expect.stringMatching(/^[A-Z].*\.$/) })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SECRET')
  })
})

function catchError(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
