import { chmod, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import { rewrap } from '../../src/server/rewrap.js'
import { openStore } from '../../src/store/open.js'
import { hashState } from '../support/held-state.js'
import { makeDirectory } from '../support/run-cli.js'
import { startTestServer } from '../support/running-server.js'

/** A state on which a server has run, and ways to spoil it. */
async function makeState() {
  const state = join(await makeDirectory(), 'state')
  const server = await startTestServer({ state })
  await server.exchange()
  await server.close()
  return {
    state,
    file: (name: string) => join(state, name),
    tamper(statement: string) {
      const database = new Database(join(state, 'authsec.db'))
      database.exec(statement)
      database.close()
    },
  }
}

type Made = Awaited<ReturnType<typeof makeState>>

const OTHER_KEK = Buffer.alloc(32, 3).toString('base64url')
const LOST = /holds no state any more: its audit log authsec\/\w+ was signed up to \d+ records/
const ALTER_KEY = 'update keys set sealed_jwk = randomblob(length(sealed_jwk))'

describe('a state that cannot be what it was is refused with the way out, and left as it is', () => {
  test.each<{ what: string; spoil: (made: Made) => unknown; says: RegExp; fix: RegExp }>([
    {
      what: 'the key-encryption key is another one',
      spoil: ({ file }) => writeFile(file('kek'), `${OTHER_KEK}\n`),
      says: /the key-encryption key \w{16} is another one: this state is sealed with/,
      fix: /--kek-file, AUTHSEC_KEK, or the file "kek"/,
    },
    {
      what: 'the key-encryption key is gone',
      spoil: ({ file }) => rm(file('kek')),
      says: /the key-encryption key \S+ is missing/,
      fix: /put the original file back/,
    },
    {
      what: 'the key-encryption key is cut',
      spoil: ({ file }) => truncate(file('kek'), 20),
      says: /does not hold 32 bytes/,
      fix: /put the original file back/,
    },
    {
      what: 'others may read the key-encryption key',
      spoil: ({ file }) => chmod(file('kek'), 0o644),
      says: /is open to others \(mode 644\)/,
      fix: /chmod 600 \S+kek/,
    },
    {
      what: 'others may read the database',
      spoil: ({ file }) => chmod(file('authsec.db'), 0o640),
      says: /is open to others \(mode 640\)/,
      fix: /chmod 600 \S+authsec.db/,
    },
    {
      what: 'others may enter the directory',
      spoil: ({ state }) => chmod(state, 0o755),
      says: /is open to others \(mode 755\)/,
      fix: /chmod 700/,
    },
    {
      what: 'the database is gone beside the high-water mark of its log',
      spoil: ({ file }) => rm(file('authsec.db')),
      says: LOST,
      fix: /Put the database back;.* authsec dev recover\..* move the high-water mark "\S+audit-high-water" away/,
    },
    {
      what: 'the database is emptied',
      spoil: ({ file }) => truncate(file('authsec.db')),
      says: LOST,
      fix: /Put the database back/,
    },
    {
      what: 'the database has tables and nothing in them',
      spoil: async ({ file }) => {
        await rm(file('authsec.db'))
        await (await openStore(file('authsec.db'))).close()
      },
      says: LOST,
      fix: /Put the database back/,
    },
    {
      what: 'the database is none',
      spoil: ({ file }) => writeFile(file('authsec.db'), 'a diary, and no database at all'),
      says: /cannot be opened as a database/,
      fix: /Keep the file for inspection/,
    },
    {
      what: 'the database is of a later version',
      spoil: ({ tamper }) => tamper(`update settings set value = '9999' where name = 'schema_version'`),
      says: /has schema 9999/,
      fix: /Upgrade authsec/,
    },
    {
      what: 'the database is of another program',
      spoil: ({ tamper }) => tamper('drop table settings'),
      says: /is damaged or holds the tables of another program/,
      fix: /Keep it for inspection/,
    },
    {
      what: 'the row of a key is corrupt',
      spoil: ({ tamper }) => tamper(`${ALTER_KEY} where purpose = 'call' and alg = 'ES256'`),
      says: /the call key "\S+" of this state is damaged/,
      fix: /restore the state from a backup/,
    },
    {
      what: 'the row of a key says what it is not',
      spoil: ({ tamper }) => tamper(`update keys set state = 'asleep' where purpose = 'session'`),
      says: /the session key "\S+" of this state is damaged/,
      fix: /restore the state from a backup/,
    },
    ...['tenant_id', 'issuer', 'log_id', 'seed'].map((name) => ({
      what: `the setting ${name} is missing`,
      spoil: ({ tamper }: Made) => tamper(`delete from settings where name = '${name}'`),
      says: new RegExp(`the setting "${name}" of this state is missing`),
      fix: /restore the state from a backup/,
    })),
    ...[
      ['timings', '{'],
      ['timings', '{"in_use":4}'],
      ['seed', '{'],
      ['seed', '{"seed":4}'],
      ['kek_check', 'x'],
    ].map(([name, value]) => ({
      what: `the setting ${name} is ${value}`,
      spoil: ({ tamper }: Made) => tamper(`update settings set value = '${value}' where name = '${name}'`),
      says: new RegExp(`the setting "${name}" of this state is damaged`),
      fix: /restore the state from a backup/,
    })),
    {
      what: 'the setting kek_check is missing after a change of the key-encryption key',
      spoil: async ({ state, tamper }) => {
        await rewrap({ state })
        tamper(`delete from settings where name = 'kek_check'`)
      },
      says: /the setting "kek_check" of this state is missing/,
      fix: /restore the state from a backup/,
    },
    {
      what: 'two keys of one set sign',
      spoil: ({ tamper }) =>
        tamper(
          `update keys set state = 'active' where purpose = 'call' and alg = 'RS256' and state = 'prepared'`,
        ),
      says: /^there are 2 active call keys for RS256 in this state$/,
      fix: /restore the state from a backup/,
    },
    {
      what: 'no key of a set signs',
      spoil: ({ tamper }) => tamper(`update keys set state = 'retiring' where purpose = 'base'`),
      says: /^there is no active base key for RS256 in this state$/,
      fix: /restore the state from a backup/,
    },
    {
      what: 'the last record of the log is cut off',
      spoil: ({ tamper }) =>
        tamper(
          `update audit_events set record = substr(record, 2) where seq = (select max(seq) from audit_events)`,
        ),
      says: /record \d+ of the audit log is damaged/,
      fix: /put a backup of the state back/,
    },
    {
      what: 'a record of the log is another one than it was',
      spoil: ({ tamper }) =>
        tamper(
          `update audit_events set record = replace(record, 'allow', 'denyx') where seq = 1; delete from audit_tiles`,
        ),
      says: /the audit log is not the one that was signed/,
      fix: /Keep the store for inspection/,
    },
  ])('because $what', async ({ spoil, says, fix }) => {
    const made = await makeState()
    await spoil(made)
    const before = await hashState(made.state)
    await expect(startTestServer({ state: made.state })).rejects.toMatchObject({
      code: expect.stringMatching(/^state_(?:unreadable|newer|rolled_back)$/),
      message: expect.stringMatching(says),
      hint: expect.stringMatching(fix),
    })
    expect(await hashState(made.state)).toEqual(before)
  })

  test.each<{ what: string; spoil: (made: Made) => unknown; says: RegExp }>([
    {
      what: 'a table is gone',
      spoil: ({ tamper }) => tamper('drop table sessions'),
      says: /a table of the database is missing/,
    },
    {
      what: 'a page of it is overwritten',
      spoil: async ({ file }) => {
        const database = new Database(file('authsec.db'))
        const [page, size] = [
          `select rootpage from sqlite_master where name = 'users'`,
          'pragma page_size',
        ].map((statement) => (database.prepare(statement).raw().get() as [number])[0]) as [number, number]
        database.close()
        const opened = await open(file('authsec.db'), 'r+')
        await opened.write(Buffer.alloc(size, 7), 0, size, (page - 1) * size)
        await opened.close()
      },
      says: /the database is damaged \(SQLITE_CORRUPT/,
    },
  ])('because $what, as soon as that is met', async ({ spoil, says }) => {
    const made = await makeState()
    await spoil(made)
    await expect(startTestServer({ state: made.state })).rejects.toMatchObject({
      code: 'state_unreadable',
      message: expect.stringMatching(says),
      hint: expect.stringContaining('restore the state from a backup'),
    })
  })

  test('and one that is lost begins anew once its mark is moved away', async () => {
    const { state, file } = await makeState()
    await rm(file('authsec.db'))
    await rename(file('audit-high-water'), file('mark-of-the-lost'))
    const server = await startTestServer({ state })
    await server.close()
    expect(await readdir(state)).toContain('mark-of-the-lost')
  })

  test('and so is one that is lost beside a mark that lies elsewhere', async () => {
    const { state, file } = await makeState()
    const auditHighWater = join(await makeDirectory(), 'mark')
    await rename(file('audit-high-water'), auditHighWater)
    await rm(file('authsec.db'))
    await expect(startTestServer({ state, auditHighWater })).rejects.toMatchObject({
      code: 'state_rolled_back',
      message: expect.stringMatching(LOST),
    })
    expect(await readdir(state)).not.toContain('authsec.db')
  })

  test('and a base token whose row is corrupt is handed out to nobody, nor replaced', async () => {
    const { state, tamper } = await makeState()
    tamper('update delegations set token = randomblob(length(token))')
    const read = async () => {
      const database = new Database(join(state, 'authsec.db'))
      const [row] = database.prepare('select hex(token) from delegations').raw().all() as [string][]
      database.close()
      return row
    }
    const before = await read()
    const server = await startTestServer({ state })
    const path = `/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`
    const answer = await server.call('GET', path)
    expect(answer.status).toBe(500)
    expect(answer.json.token).toBeUndefined()
    expect(server.surprises.splice(0)).toMatchObject([{ code: 'state_unreadable' }])
    await server.close()
    expect(await read()).toEqual(before)
    expect(await readFile(join(state, 'kek'), 'utf8')).toMatch(/^\S{43}\n$/)
  })
})
