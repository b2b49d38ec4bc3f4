import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { openStore } from '../../src/store/open.js'
import { refuseConnection } from '../../src/store/postgres-failures.js'
import { assertFit } from '../../src/store/postgres-fitness.js'
import type { PostgresTarget } from '../../src/store/postgres-url.js'
import type { Store } from '../../src/store/store.js'
import { openCutConnection } from '../support/cut-connection.js'
import { type PostgresCluster, startPostgresCluster } from '../support/postgres-cluster.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { TEST_CERTIFICATE } from '../support/tls-identity.js'
import { createRecord, createResource } from './samples.js'
import { makeStateDirectory } from './state-directory.js'

// A server of its own, because it is stopped, reconfigured and filled up.
let cluster: PostgresCluster
let schema: PostgresSchema
const files = makeStateDirectory()
const authority = path.join(files.directory, 'root.pem')
const stores: Store[] = []

beforeAll(async () => {
  writeFileSync(authority, TEST_CERTIFICATE)
  cluster = await startPostgresCluster()
  schema = await makePostgresSchema(cluster.url)
})
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
})
afterAll(async () => {
  await schema?.end()
  await cluster?.remove()
  files.remove()
})

describe('a database that is stopped', () => {
  test.each(['orderly', 'at once'] as const)(
    '%s, under load, costs what cannot be answered, keeps what was, and is found again',
    async (how) => {
      const store = await open(schema.url)
      const before = await store.audit.head()
      const kept: string[] = []
      const refused: unknown[] = []
      let isStopped = false
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let number = 0; !isStopped; number++) {
          const id = `${how} ${writer} ${number}`
          await store
            .write(async ({ audit }) => audit.append(createRecord(id)))
            .then(
              () => kept.push(id),
              (error) => refused.push(error),
            )
        }
      })
      while (kept.length < 100) await store.settings.find('n')
      await cluster.stop(how)
      isStopped = true
      await Promise.all(writers)

      refused.push(await store.settings.find('n').catch((error) => error))
      refused.push(await add(store, 'while stopped').catch((error) => error))
      for (const error of refused) {
        expect(error).toMatchObject({
          name: 'AuthsecError',
          code: 'temporarily_unavailable',
          retryable: true,
        })
      }

      await cluster.start()
      await add(store, `after ${how}`)
      expect(await store.settings.find(`after ${how}`)).toBe('here')
      expect(await store.settings.find('while stopped')).toBeUndefined()
      const found = await store.audit.search({ after: before, limit: 100_000 })
      expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => before + 1 + index))
      const records = new Set(found.map(({ record }) => record))
      for (const id of kept) expect(records).toContain(`record ${id}`)
    },
  )

  test('refuses who comes meanwhile, without a word about the password', async () => {
    await cluster.stop()
    const error = await openStore(schema.url).catch((error) => error)
    await cluster.start()
    expect(error).toMatchObject({
      code: 'temporarily_unavailable',
      message: expect.stringMatching(
        /^PostgreSQL at "127\.0\.0\.1:\d+\/postgres" cannot be reached \(ECONNREFUSED\)$/,
      ),
    })
    expectNoPassword(error)
  })

  test('ends idle connections and those in use, and neither ends the process', async () => {
    const store = await open(schema.url)
    await Promise.all([1, 2, 3, 4].map(() => store.settings.find('n')))
    await store
      .write(async ({ settings }) => {
        await settings.insert({ name: 'ended', value: 'here' })
        await endConnections()
        await settings.find('ended')
      })
      .then(
        () => expect.unreachable(),
        (error) => expect(error).toMatchObject({ code: 'temporarily_unavailable' }),
      )
    expect(await store.settings.find('ended').catch(() => undefined)).toBeUndefined()
    await addInTime(store, 'after the end')
  })
})

describe('a commit that is not answered', () => {
  test('is not tried again, for none of those that waited for it', async () => {
    const cut = await openCutConnection(Number(new URL(cluster.url).port))
    const url = new URL(schema.url)
    url.port = String(cut.port)
    const store = await open(url.href)
    const before = await store.audit.head()
    cut.loseAnswerTo('commit')
    let runs = 0
    const results = await Promise.allSettled(
      [1, 2, 3].map((number) =>
        store.write(async ({ audit }) => {
          runs++
          audit.append(createRecord(`unanswered ${number}`))
        }),
      ),
    )
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'temporarily_unavailable' } })
    }
    expect(runs).toBe(3)
    // Here it had taken place, which nobody could know.
    const found = await store.audit.search({ after: before, limit: 10 })
    expect(found.map(({ record }) => record)).toEqual(
      [1, 2, 3].map((number) => `record unanswered ${number}`),
    )
    await cut.close()
  })
})

describe('a server without room', () => {
  test('for another connection is waited out', async () => {
    await schema.run(`create role crowded login password 'SECRET' connection limit 1`)
    await schema.run(`grant all on schema ${schema.name} to crowded`)
    await schema.run(`grant all on all tables in schema ${schema.name} to crowded`)
    const url = new URL(schema.url)
    url.username = 'crowded'
    url.password = 'SECRET'
    const first = await open(url.href)
    const error = await openStore(url.href).catch((error) => error)
    expect(error).toMatchObject({
      code: 'temporarily_unavailable',
      message: expect.stringContaining('53300'),
    })
    expect(inspect(error, { depth: 10 })).not.toContain('SECRET')
    await first.close()
    await open(url.href)
  })
})

describe('a user with settings of its own', () => {
  const grants = (name: string) => [
    `create role ${name} login password 'SECRET'`,
    `grant all on schema ${schema.name} to ${name}`,
    `grant all on all tables in schema ${schema.name} to ${name}`,
  ]
  /** The address of a user who has these settings. */
  async function makeUser(name: string, settings: string): Promise<string> {
    await (await openStore(schema.url)).close()
    for (const statement of [...grants(name), `alter role ${name} set ${settings}`])
      await schema.run(statement)
    const url = new URL(schema.url)
    url.username = name
    url.password = 'SECRET'
    url.searchParams.set('application_name', name)
    return url.href
  }

  test.each([
    { name: 'repeating', settings: `default_transaction_isolation = 'repeatable read'` },
    { name: 'serial', settings: `default_transaction_isolation = 'serializable'` },
    { name: 'impatient', settings: `lock_timeout = '5ms'` },
  ])(
    'that are $settings waits for its turn, and then sees what the one before has written',
    async ({ name, settings }) => {
      const url = await makeUser(name, settings)
      const [one, other] = [await open(url), await open(url)]
      const before = await one.audit.head()
      let second: Promise<unknown> | undefined
      await one.write(async ({ audit }) => {
        second = other.write(async (next) => next.audit.append(createRecord(`${name} 2`)))
        await expect.poll(countPatient).toBe(1)
        return audit.append(createRecord(`${name} 1`))
      })
      await second
      expect(await other.audit.head()).toBe(before + 2)
    },
  )

  /** How many have waited for their turn for longer than those who are impatient would. */
  async function countPatient(): Promise<number> {
    const waiting = `locktype = 'advisory' and not granted and clock_timestamp() - waitstart > '50ms'`
    return (await schema.run(`select from pg_locks where ${waiting}`)).length
  }

  test('that let it only read is heard again as soon as they are taken back', async () => {
    const store = await open(await makeUser('reading', 'search_path = public'))
    const write = (name: string) => store.write(({ settings }) => settings.insert({ name, value: 'a' }))
    await write('reading 1')
    await schema.run(`alter role reading set default_transaction_read_only = on`)
    await schema.run(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reading'`,
    )
    await expect
      .poll(() => write('reading 2').catch((error) => error.cause?.message))
      .toContain('takes no writes')
    await schema.run(`alter role reading reset default_transaction_read_only`)
    await write('reading 3')
  })

  test('that let it only read is told so at the start, which may go well later', async () => {
    await expect(
      openStore(await makeUser('standing', 'default_transaction_read_only = on')),
    ).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      message: expect.stringMatching(/^PostgreSQL at .* takes no writes$/),
      hint: expect.stringContaining('standby'),
    })
  })

  test('that may make nothing is told what it lacks', async () => {
    await schema.run(`create role powerless login password 'SECRET'`)
    const own = await makePostgresSchema(cluster.url)
    onTestFinished(() => own.end())
    await schema.run(`grant usage on schema ${own.name} to powerless`)
    const url = new URL(own.url)
    url.username = 'powerless'
    url.password = 'SECRET'
    await expect(openStore(url.href)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('may not do all that is needed (42501)'),
      hint: expect.stringContaining('Grant'),
    })
  })
})

describe('a pooler before the server', () => {
  const target = { name: 'PostgreSQL at "pooler"', schema: 'own' } as PostgresTarget
  const session = { version: 180_000, encoding: 'UTF8', fsync: 'on', full_page_writes: 'on', standbys: '' }

  test('that drops the settings of a connection is refused: the tables would lie elsewhere', async () => {
    const connection = { query: async () => ({ rows: [{ ...session, schema: 'public' }] as never[] }) }
    await expect(assertFit(connection, target, {})).rejects.toMatchObject({
      code: 'configuration',
      message: 'PostgreSQL at "pooler" works in the schema "public", and not in "own"',
      hint: expect.stringContaining('pooler'),
    })
  })

  test('that takes no settings is told from a server that is away', () => {
    // The words of PgBouncer.
    const cause = Object.assign(new Error('unsupported startup parameter: options'), { code: '08P01' })
    expect(refuseConnection(cause, target, true)).toMatchObject({
      code: 'configuration',
      message: 'PostgreSQL at "pooler" does not take the settings of a connection (08P01)',
    })
  })
})

describe('a server that cannot be trusted with the state', () => {
  test.each([
    { setting: 'fsync = off', undo: 'reset fsync' },
    { setting: 'full_page_writes = off', undo: 'reset full_page_writes' },
  ])('because of $setting is refused', async ({ setting, undo }) => {
    await schema.run(`alter system set ${setting}`)
    await cluster.stop()
    await cluster.start()
    await expect(openStore(schema.url)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('may lose what it has committed'),
    })
    await schema.run(`alter system ${undo}`)
    await cluster.stop()
    await cluster.start()
    await open(schema.url)
  })

  test('because it waits for no standby is refused where one is required', async () => {
    await expect(openStore(schema.url, { requireSyncStandby: true })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('waits for no standby'),
      hint: expect.stringContaining('synchronous_standby_names'),
    })
  })

  test.each([
    {
      what: 'the password',
      change: (url: URL) => (url.password = 'WRONG'),
      says: /does not let in "postgres" \(28P01\)/,
    },
    {
      what: 'the user',
      change: (url: URL) => (url.username = 'nobody'),
      says: /does not let in "nobody" \(28P01\)/,
    },
    { what: 'the database', change: (url: URL) => (url.pathname = '/none'), says: /does not exist$/ },
    {
      what: 'the schema',
      change: (url: URL) => url.searchParams.set('schema', 'none'),
      says: /has no schema "none"$/,
    },
  ])('because the address has $what wrong is a matter of configuration', async ({ change, says }) => {
    const url = new URL(schema.url)
    change(url)
    const error = await openStore(url.href).catch((error) => error)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringMatching(says) })
    expect(error.message).toMatch(/^PostgreSQL at "127\.0\.0\.1:\d+\//)
    expectNoPassword(error)
  })

  test('because its encoding is another is refused', async () => {
    await schema.run(`create database latin encoding 'LATIN1' template template0`)
    const url = new URL(cluster.url)
    url.pathname = '/latin'
    await expect(openStore(url.href)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('keeps text as "LATIN1"'),
    })
  })
})

describe('what a failure shows', () => {
  test('is neither the row nor the address', async () => {
    const store = await open(schema.url)
    const insert = () => store.write(({ settings }) => settings.insert({ name: 'PRIVATE', value: 'SECRET' }))
    await insert()
    const taken = await insert().catch((error) => error)
    expect(taken).toMatchObject({ code: 'conflict' })
    const surprise = await store
      .write(({ users }) => users.insert({ id: 'u', email: 'PRIVATE', roles: ['none'], createdAt: 1 }))
      .catch((error) => error)
    for (const error of [taken, surprise]) {
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/PRIVATE|SECRET/)
      expectNoPassword(error)
    }
  })

  test.each([
    ['the table is gone', 'drop table resources', 'a table of the database is missing'],
    ...['XX001', 'XX002'].map((code) => [
      `the server says ${code}`,
      `create or replace function spoil() returns trigger language plpgsql as
        $$ begin raise exception 'invalid page in block 0' using errcode = '${code}'; end $$;
      create or replace trigger spoil before insert on resources execute function spoil()`,
      `the database is damaged (${code})`,
    ]),
  ])('is that it is damaged, where %s', async (_, damage = '', message = '') => {
    const own = await makePostgresSchema(cluster.url)
    onTestFinished(() => own.end())
    const store = await open(own.url)
    await own.run(damage)
    await expect(
      store.write(({ resources }) => resources.insert(createResource('urn:x'))),
    ).rejects.toMatchObject({
      code: 'state_unreadable',
      message,
      hint: expect.stringContaining('restore the state from a backup'),
    })
  })

  test('that a value is too long for what has to be unique is not a surprise', async () => {
    const store = await open(schema.url)
    const email = Array.from({ length: 20_000 }, (_, index) => (index * index * 7919).toString(36)).join('')
    await expect(
      store.write(({ users }) => users.insert({ id: 'long', email, roles: [], createdAt: 1 })),
    ).rejects.toMatchObject({ code: 'content_too_large' })
  })
})

describe('TLS', () => {
  test.each([
    { mode: 'sslmode=require' },
    { mode: `sslmode=verify-ca&sslrootcert=${authority}` },
    { mode: `sslmode=verify-full&sslrootcert=${authority}`, host: 'localhost' },
  ])('is spoken with $mode', async ({ mode, host = '127.0.0.1' }) => {
    const store = await open(withTls(mode, host))
    const rows = await schema.run(
      `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'over-tls'`,
    )
    expect(rows).toEqual([{ ssl: true }])
    await store.close()
  })

  test.each([
    { mode: 'sslmode=verify-full', host: 'localhost', says: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    { mode: 'sslmode=verify-ca', host: '127.0.0.1', says: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    // The certificate is that of another name.
    {
      mode: `sslmode=verify-full&sslrootcert=${authority}`,
      host: '127.0.0.1',
      says: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
  ])('refuses whom it cannot believe: $mode at $host', async ({ mode, host, says }) => {
    const error = await openStore(withTls(mode, host)).catch((error) => error)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringContaining(says) })
    expectNoPassword(error)
  })

  test('is asked for in vain of a server that has none', async () => {
    await schema.run('alter system set ssl = off')
    await cluster.stop()
    await cluster.start()
    await expect(openStore(withTls('sslmode=require', '127.0.0.1'))).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('has no TLS'),
    })
  })
})

async function open(url: string): Promise<Store> {
  const store = await openStore(url)
  stores.push(store)
  return store
}

function add(store: Store, name: string): Promise<void> {
  return store.write(({ settings }) => settings.insert({ name, value: 'here' }))
}

/** As a caller does who is told to try again: that a connection has ended is noticed by whoever is given it next. */
async function addInTime(store: Store, name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await add(store, name)
    } catch (error) {
      if (!AuthsecError.is(error, 'temporarily_unavailable') || tries === 10) throw error
    }
  }
}

async function endConnections(): Promise<void> {
  await schema.run(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'authsec'`,
  )
}

function withTls(mode: string, host: string): string {
  const url = new URL(schema.url)
  url.hostname = host
  return `${url.href}&application_name=over-tls&${mode}`
}

function expectNoPassword(error: unknown): void {
  const { password } = new URL(cluster.url)
  const shown = inspect(error, { depth: 10, showHidden: true })
  for (const form of [password, decodeURIComponent(password), 'WRONG']) expect(shown).not.toContain(form)
}

describe('a commit that no standby has confirmed', () => {
  beforeAll(async () => {
    await (await openStore(schema.url)).close()
    await schema.run(`alter system set synchronous_standby_names = 'nobody'`)
    await schema.run('select pg_reload_conf()')
  })
  afterAll(async () => {
    await schema.run('alter system reset synchronous_standby_names')
    await schema.run('select pg_reload_conf()')
  })

  test.each([
    { what: 'an administrator has cancelled the wait', timeout: '60000', end: cancelWait },
    // The last one, because the server goes on waiting, and nobody else writes meanwhile.
    { what: 'the wait for it is over', timeout: '100', end: async () => {} },
  ])('is nobody knows what, once $what', async ({ timeout, end }) => {
    const url = new URL(schema.url)
    const name = `unconfirmed ${timeout}`
    url.searchParams.set('statement_timeout', timeout)
    url.searchParams.set('application_name', name)
    const store = await openStore(url.href, { requireSyncStandby: true })
    stores.push(store)
    const write = store.write(async ({ settings }) => settings.insert({ name, value: 'here' }))
    await Promise.all([end(name), expect(write).rejects.toMatchObject({ code: 'temporarily_unavailable' })])
  })

  async function cancelWait(name: string): Promise<void> {
    const cancel = `select pg_cancel_backend(pid) from pg_stat_activity
      where wait_event = 'SyncRep' and application_name = '${name}'`
    while ((await schema.run(cancel)).length === 0) await schema.run('select pg_sleep(0.05)')
  }
})
