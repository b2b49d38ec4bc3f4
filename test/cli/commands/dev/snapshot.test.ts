import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashState } from '../../../support/held-state.js'
import { startMinting } from '../../../support/mint-load.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../../support/running-server.js'
import { type Line, readSnapshot, writeSnapshot } from '../../../support/snapshot-lines.js'

const LISTS = [
  '/authsec/clientms/tenants/TENANT/clients/getClients',
  '/authsec/uflow/delegation-policies',
  '/admin/resources',
  '/admin/delegations',
]

/** What a server is about, as its admin sees it. */
async function describeServer(server: TestServer) {
  const lists = []
  for (const path of LISTS) {
    const place = path.replace('TENANT', server.tenantId)
    const method = path.includes('getClients') ? 'POST' : 'GET'
    const answer = await server.call(method, place, { admin: true, ...(method === 'POST' && { json: {} }) })
    expect([place, answer.status]).toEqual([place, 200])
    lists.push(answer.json)
  }
  const { tenantId, clientId, user, issuer } = server
  return { lists, tenantId, clientId, user, issuer }
}

const readJwks = async (server: TestServer) => (await server.call('GET', '/oauth/jwks')).json
const isActive = async (server: TestServer, token: string) =>
  (await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })).json.active
const listEvents = async (server: TestServer) =>
  (await server.call('GET', '/audit/events?limit=1000', { admin: true })).json.events as Line[]

/** A stopped state with a client and a policy beside those of the seed, and a snapshot of it. */
async function makeSnapshot(flags: readonly string[] = [], place?: string) {
  const directory = place ?? (await makeDirectory())
  const [state, file] = [join(directory, 'state'), join(directory, 'before.jsonl')]
  const server = await startTestServer({ state })
  const name = { name: 'second', email: 'second@authsec.test' }
  await server.call('POST', `/authsec/clientms/tenants/${server.tenantId}/clients/create`, {
    admin: true,
    json: { ...name, client_type: 'ai_agent', agent_type: 'crewai' },
  })
  const { access_token: token } = (await server.exchange()).json
  const facts = { told: await describeServer(server), jwks: await readJwks(server), token, url: server.url }
  await server.close()
  const { code, stderr } = await runCli(['dev', 'snapshot', 'save', file, '--state', state, ...flags])
  expect([code, stderr]).toEqual([0, ''])
  return { directory, state, file, ...facts }
}

const load = (file: string, state: string, ...flags: string[]) =>
  runCli(['dev', 'snapshot', 'load', file, '--state', state, '--json', ...flags])

describe('authsec dev snapshot', () => {
  test('is taken of a server under load, and loads into an equal one with keys and a log of its own', async () => {
    const directory = await makeDirectory()
    const [state, copy, file] = ['state', 'copy', 'before.jsonl'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ]
    const server = await startTestServer({ state })
    const minting = await startMinting([server.url], server.clientId)
    await minting.issued(20)
    const saved = await runCli(['dev', 'snapshot', 'save', file, '--state', state, '--json'], {
      fetch: globalThis.fetch,
      env: { AUTHSEC_TOKEN: server.adminToken },
    })
    expect([saved.code, saved.stderr]).toEqual([0, ''])
    await minting.issued(20)
    await minting.stop()
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await listEvents(server)).filter(({ event }) => event.type === 'state.saved')).toMatchObject([
      { event: { actor: { type: 'user' }, details: { clone: false } } },
    ])
    const told = await describeServer(server)
    const base = await server.pull()
    await server.close()

    const lines = await readSnapshot(file)
    const kinds = new Set(lines.map(({ table }) => table))
    for (const table of ['keys', 'sessions', 'audit_events', 'revoked_tokens'])
      expect(kinds).not.toContain(table)
    expect(JSON.stringify(lines)).not.toContain(base)

    const { code, stdout, stderr } = await load(file, copy)
    expect([code, stderr]).toEqual([0, ''])
    const { origin } = JSON.parse(stdout)
    const { log } = JSON.parse(saved.stdout)
    const equal = await startTestServer({ state: copy })
    expect(await describeServer(equal)).toEqual(told)
    const [first] = await listEvents(equal)
    expect(first).toMatchObject({
      seq: 0,
      event: { type: 'state.restored', log: origin, details: { cause: 'snapshot', snapshot: { log } } },
    })
    expect(origin).not.toBe(log.origin)
    const { status, json } = await equal.exchange()
    expect(status).toBe(200)
    expect(await isActive(equal, json.access_token)).toBe(true)
    expect(await isActive(equal, minting.tokens[0] ?? '')).toBe(false)
    expect((await equal.exchange({ subject_token: base })).status).toBe(400)
    await equal.close()
  })

  test('of a clone has the keys, so that what they signed still counts, and the log, which verifies', async () => {
    const { directory, state, file, told, jwks, token } = await makeSnapshot(['--clone'])
    const copy = join(directory, 'copy')
    await mkdir(copy, { mode: 0o700 })
    await copyFile(join(state, 'kek'), join(copy, 'kek'))
    const { code, stdout, stderr } = await load(file, copy)
    expect([code, stderr]).toEqual([0, ''])
    const clone = await startTestServer({ state: copy })
    expect(await readJwks(clone)).toEqual(jwks)
    expect(await describeServer(clone)).toEqual(told)
    expect(await isActive(clone, token)).toBe(true)
    expect((await clone.exchange()).status).toBe(200)
    await clone.close()

    const { old_logs, origin } = JSON.parse(stdout)
    expect(old_logs).toEqual([expect.stringContaining('-of-snapshot')])
    const { verifier_key: key } = JSON.parse(await readFile(join(old_logs[0], 'keys'), 'utf8'))
    expect(key).not.toContain(origin)
    const verdict = await runCli(['audit', 'verify', old_logs[0], '--key', key, '--json'])
    expect(JSON.parse(verdict.stdout)).toMatchObject({ verdict: 'INTACT' })
  })

  test('has the credentials of external services, which only the same key-encryption key opens', async () => {
    const directory = await makeDirectory()
    const [state, file] = [join(directory, 'state'), join(directory, 'services.jsonl')]
    const place = '/exsvc/services'
    const server = await startTestServer({ state })
    const json = { name: 'weather', secret_data: { api_key: 'sunny-7' }, agent_accessible: true }
    const { id } = (await server.call('POST', place, { admin: true, json })).json
    const { tenantId } = server
    await server.close()
    await runCli(['dev', 'snapshot', 'save', file, '--state', state])
    expect(await readFile(file, 'utf8')).not.toContain('sunny-7')
    expect(JSON.parse((await load(file, state, '--confirm', tenantId)).stdout)).toMatchObject({ dropped: 0 })
    const same = await startTestServer({ state })
    const path = `${place}/${id}/credentials`
    expect((await same.call('GET', path, { admin: true })).json).toMatchObject({
      credentials: { api_key: 'sunny-7' },
    })
    await same.close()

    const { stdout, stderr } = await load(file, join(directory, 'copy'))
    expect(JSON.parse(stdout)).toMatchObject({ dropped: 1 })
    expect(stderr).toContain('1 external service is left out')
    const copy = await startTestServer({ state: join(directory, 'copy') })
    expect((await copy.call('GET', path, { admin: true })).status).toBe(404)
    await copy.close()
  })

  test('of an older schema is brought up to date', async () => {
    const { directory, file } = await makeSnapshot()
    const lines = (await readSnapshot(file)).map((line) => {
      if (line.authsec_snapshot) return { ...line, schema: 12 }
      const { end_recorded, former_secret_hash, former_secret_expires_at, ...row } = line.row ?? {}
      return line.row ? { ...line, row } : line
    })
    const old = join(directory, 'old.jsonl')
    await writeSnapshot(old, lines)
    expect((await load(old, join(directory, 'copy'))).code).toBe(0)
    const server = await startTestServer({ state: join(directory, 'copy') })
    expect((await server.exchange()).status).toBe(200)
    await server.close()
  })

  test('replaces a state only where its tenant is named, keeps its log, and gives its seeded users other passwords', async () => {
    const { directory, file, told } = await makeSnapshot()
    const target = join(directory, 'target')
    const other = await startTestServer({ state: target })
    const { verifierKey, tenantId } = other
    await other.close()
    const before = await hashState(target)
    expect(await load(file, target)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--confirm with the id of its tenant'),
    })
    expect(await load(file, target, '--confirm', told.tenantId)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`It is ${tenantId}.`),
    })
    expect(await hashState(target)).toEqual(before)

    const passwords = await readFile(join(target, 'passwords.json'), 'utf8')
    const { code, stdout } = await load(file, target, '--confirm', tenantId)
    expect(code).toBe(0)
    const { old, old_logs } = JSON.parse(stdout)
    expect(old.origin).toBe(verifierKey.split('+')[0])
    const verdict = await runCli(['audit', 'verify', old_logs[0], '--key', verifierKey, '--json'])
    expect(JSON.parse(verdict.stdout)).toMatchObject({ verdict: 'INTACT' })
    const server = await startTestServer({ state: target })
    expect((await listEvents(server))[0]?.event.details.old).toEqual(old)
    expect(await readFile(join(target, 'passwords.json'), 'utf8')).not.toBe(passwords)
    await server.close()
  })
})

describe('a snapshot that cannot be loaded changes nothing', () => {
  let place: string
  let made: Awaited<ReturnType<typeof makeSnapshot>>
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'authsec-snapshot-test-'))
    made = await makeSnapshot([], place)
  })
  afterAll(() => rm(place, { recursive: true, force: true }))

  const refuse = (file: string, state: string, ...flags: string[]) =>
    runCli(['dev', 'snapshot', 'load', file, '--state', state, ...flags])

  test.each<{ what: string; spoil: (file: string, lines: Line[]) => Promise<void>; says: string }>([
    {
      what: 'its end is cut off',
      spoil: async (file) => truncate(file, (await stat(file)).size - 1),
      says: 'is cut',
    },
    {
      what: 'its last line is missing',
      spoil: (file, lines) => writeLines(file, lines.slice(0, -1)),
      says: 'its last line is missing',
    },
    {
      what: 'a row is missing',
      spoil: (file, lines) => writeLines(file, lines.toSpliced(5, 1)),
      says: 'has been altered',
    },
    {
      what: 'a value is another one',
      spoil: async (file) =>
        writeFile(file, (await readFile(file, 'utf8')).replace('alice@authsec.test', 'malice@authsec.test')),
      says: 'has been altered',
    },
    {
      what: 'more follows after its end',
      spoil: (file, lines) => writeLines(file, [...lines, lines[3]]),
      says: 'cannot be read at line',
    },
    {
      what: 'it has a later schema',
      spoil: (file, lines) => writeSnapshot(file, lines.with(0, { ...lines[0], schema: 9_999 })),
      says: 'has schema 9999',
    },
    {
      what: 'it has a later format',
      spoil: (file, lines) => writeSnapshot(file, lines.with(0, { ...lines[0], authsec_snapshot: 2 })),
      says: 'has format 2',
    },
    { what: 'it is something else', spoil: (file) => writeFile(file, 'hello\n'), says: 'is no snapshot' },
    { what: 'it is empty', spoil: (file) => writeFile(file, ''), says: 'is cut' },
    {
      what: 'a row is of a table that no snapshot has',
      spoil: (file, lines) =>
        writeSnapshot(file, lines.toSpliced(1, 0, { table: 'leases', row: { name: 'x' } })),
      says: 'has a row of "leases"',
    },
    {
      what: 'a row does not fit into its table',
      spoil: (file, lines) =>
        writeSnapshot(file, lines.toSpliced(-1, 0, { table: 'users', row: { rank: 1 } })),
      says: 'rows do not fit into the table users',
    },
    {
      what: 'a row refers to one that is not there',
      spoil: (file, lines) =>
        writeSnapshot(
          file,
          lines.filter(({ table }) => table !== 'users'),
        ),
      says: 'rows do not fit into the table',
    },
  ])('because $what', async ({ spoil, says }) => {
    const { state, told } = made
    const file = join(await makeDirectory(), 'spoiled.jsonl')
    await copyFile(made.file, file)
    await spoil(file, await readSnapshot(file))
    const before = await hashState(state)
    const flags = ['--confirm', told.tenantId, '--old-log', `${file}-log`]
    const { code, stdout, stderr } = await refuse(file, state, ...flags)
    expect([code, stdout]).toEqual([7, ''])
    expect(stderr).toContain(says)
    expect(await hashState(state)).toEqual(before)
  })

  test('because it is not there, with what makes one', async () => {
    const file = join(await makeDirectory(), 'nothing.jsonl')
    expect(await refuse(file, made.state)).toEqual({
      code: 6,
      stdout: '',
      stderr: `authsec: the snapshot "${file}" cannot be read (ENOENT)\nhint: authsec dev snapshot save FILE writes one.\n`,
    })
  })

  test('because a server runs on the state, whose process is named', async () => {
    const { state, file, told } = made
    const server = await startTestServer({ state })
    expect(await refuse(file, state, '--confirm', told.tenantId)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`in use by the server with pid ${process.pid}`),
    })
    await server.close()
  })

  test('because it is a clone and the key-encryption key is another one', async () => {
    const { directory, file } = await makeSnapshot(['--clone'])
    const target = join(directory, 'target')
    const server = await startTestServer({ state: target })
    await server.close()
    const before = await hashState(target)
    const { code, stderr } = await refuse(file, target, '--confirm', server.tenantId)
    expect(code).toBe(7)
    expect(stderr).toContain('the clone is sealed with the key-encryption key')
    expect(stderr).toContain('copy the file "kek"')
    expect(await hashState(target)).toEqual(before)
  })

  test.each([
    { what: 'no key-encryption key', has: [] as string[] },
    { what: 'another key-encryption key', has: ['kek'] },
  ])('because it is a clone for a new place with $what, and nothing is made there', async ({ has }) => {
    const { directory, file } = await makeSnapshot(['--clone'])
    const target = join(directory, 'target')
    await mkdir(target, { mode: 0o700 })
    const kek = `${Buffer.alloc(32, 3).toString('base64url')}\n`
    for (const name of has) await writeFile(join(target, name), kek, { mode: 0o600 })
    const { code, stderr } = await refuse(file, target)
    expect(code).toBe(7)
    expect(stderr).toContain('the clone is sealed with the key-encryption key')
    expect(await readdir(target)).toEqual(has)
  })

  test('and one that is taken overwrites no file', async () => {
    const { state, file } = made
    const before = await readFile(file)
    expect(await runCli(['dev', 'snapshot', 'save', file, '--state', state])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('exists already'),
    })
    expect(await readFile(file)).toEqual(before)
  })
})

function writeLines(file: string, lines: readonly Line[]): Promise<void> {
  return writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
