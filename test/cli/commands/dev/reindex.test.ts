import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import { AUDIT_INDEXES } from '../../../../src/store/audit-terms.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { startTestServer } from '../../../support/running-server.js'

const QUERIES = [
  'outcome=allow',
  'type=token.exchanged',
  'outcome=deny',
  'type~delegation.* outcome=allow',
  'text~billing',
]

type Server = Awaited<ReturnType<typeof startTestServer>>

/** What searches find of the first so many records. */
async function search(server: Server, count: number): Promise<unknown[][]> {
  const answers = []
  for (const filter of QUERIES) {
    const path = `/audit/events?limit=1000&filter=${encodeURIComponent(filter)}`
    const { events } = (await server.call('GET', path, { admin: true })).json
    answers.push(events.filter(({ seq }: { seq: number }) => seq < count))
  }
  return answers
}

async function makeState() {
  const state = join(await makeDirectory(), 'state')
  const server = await startTestServer({ state })
  await server.exchange()
  await server.exchange({ resource: 'https://nowhere.example' })
  const count = (await server.call('GET', '/audit/events?limit=1000', { admin: true })).json.events.length
  const answers = await search(server, count)
  await server.close()
  return { state, count, answers }
}

function tamper(state: string, statements: readonly string[]): void {
  const database = new Database(join(state, 'authsec.db'))
  for (const statement of statements) database.exec(statement)
  database.close()
}

describe('authsec dev reindex', () => {
  test('makes the index and the hashes anew: searches answer what they answered before', async () => {
    const { state, count, answers } = await makeState()
    tamper(state, [
      `update audit_events set type = 'x', outcome = 'x', client = null, occurred_at = 0`,
      `delete from audit_terms`,
      `update audit_tiles set hashes = zeroblob(32)`,
      ...Object.keys(AUDIT_INDEXES).map((name) => `drop index ${name}`),
    ])
    const { code, stdout, stderr } = await runCli(['dev', 'reindex', '--state', state, '--json'])
    expect([code, stderr]).toEqual([0, ''])
    const { records, signed } = JSON.parse(stdout)
    expect(signed).toBe(records)
    const server = await startTestServer({ state })
    expect(await search(server, count)).toEqual(answers)
    expect(answers.every((events) => events.length > 0)).toBe(true)
    await server.close()
  })

  test('leaves the hashes where the records are not what was signed, and says so', async () => {
    const { state } = await makeState()
    tamper(state, [`update audit_events set record = replace(record, 'allow', 'denyx') where seq = 1`])
    const { code, stderr } = await runCli(['dev', 'reindex', '--state', state])
    expect(code).toBe(7)
    expect(stderr).toContain('the audit log is not the one that was signed at')
  })

  test('names a record that is no event any more, as whoever reads the log is told, and does all others', async () => {
    const { state, count } = await makeState()
    tamper(state, [
      `update audit_events set record = substr(record, 2) where seq = 3`,
      `update audit_events set client = 'x'`,
      'delete from audit_terms',
    ])
    const { code, stderr } = await runCli(['dev', 'reindex', '--state', state])
    expect(code).toBe(7)
    expect(stderr).toMatch(
      /^authsec: record 3 of the audit log is damaged\nhint: See with authsec audit verify/,
    )
    const database = new Database(join(state, 'authsec.db'))
    const countRows = (from: string) => database.prepare(`select seq from ${from}`).all().length
    expect(countRows('audit_terms')).toBe(countRows('audit_events'))
    expect(countRows(`audit_events where client = 'x'`)).toBe(1)
    database.close()

    const server = await startTestServer({ state })
    const read = (query: string) => server.call('GET', `/audit/events?${query}`, { admin: true })
    for (const query of ['limit=1000', `limit=1000&filter=${encodeURIComponent('text~billing')}`]) {
      const { status, text } = await read(query)
      expect({ status, text }).toEqual({
        status: 500,
        text: expect.stringContaining('record 3 of the audit log is damaged'),
      })
    }
    // Whoever runs the server hears of it as well.
    expect(server.surprises.splice(0)).toMatchObject([
      { code: 'state_unreadable' },
      { code: 'state_unreadable' },
    ])
    expect((await read('after=3&limit=1000')).json.events.length).toBeGreaterThan(count - 5)
    await server.close()
  })

  test('is refused while a server runs, and for a state that is none', async () => {
    const state = join(await makeDirectory(), 'state')
    const server = await startTestServer({ state })
    expect(await runCli(['dev', 'reindex', '--state', state])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`in use by the server with pid ${process.pid}`),
    })
    await server.close()
    const empty = join(await makeDirectory(), 'state')
    expect(await runCli(['dev', 'reindex', '--state', empty])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('holds no state of a server'),
    })
  })
})
