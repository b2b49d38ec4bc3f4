import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { runCli } from '../../../support/run-cli.js'
import { ADMIN, CLIENT_ID, stubServer, TENANT } from '../../../support/stub-server.js'

/** Records as the newer era sends them, in camel case. */
const AUTH = {
  ...{
    id: 41,
    timestamp: '2026-08-21T11:58:00Z',
    requestId: 'r-1',
    workspaceId: TENANT,
    actorRealm: 'admin',
  },
  ...{
    userId: 'u-1',
    action: 'login',
    status: 'failure',
    ipAddress: '10.0.0.1',
    userAgent: 'x',
    error: 'bad password',
  },
}
const AUDIT = {
  ...{
    ...AUTH,
    id: 41,
    timestamp: '2026-08-21T11:57:00Z',
    action: 'delegation_policy.create',
    status: 'success',
  },
  ...{
    error: undefined,
    resource: 'policy',
    resourceId: 'p-1',
    method: 'POST',
    path: '/policies',
    statusCode: 201,
  },
}
const MACHINE = {
  ...{ id: 'b0a7', createdAt: '2026-08-21T11:59:00Z', workspaceId: TENANT, tokenFamily: 'delegation' },
  ...{
    clientId: CLIENT_ID,
    subjectType: 'user',
    subjectId: 'u-2',
    resourceServerId: 'https://billing.example',
  },
  ...{ pdpEffect: 'allow', gateEffect: 'allow', pdpAgrees: true, scopesRequested: ['billing:read'] },
  scopesGranted: ['billing:read'],
}
/** And as the older era does: nested, with a log service of its own. */
const OLD_AUTH = {
  ...{ ts: '2026-08-21T11:58:00Z', log_type: 'auth.event', tenant: { id: TENANT } },
  ...{ event: { type: 'api.request', category: 'access_log' }, actor: { id: 'u-1', type: 'user' } },
  ...{ request: { method: 'GET', path: '/x', duration: 1 }, result: { status: 'SUCCESS', http_status: 200 } },
}
const OLD_AUDIT = {
  ...{ ts: '2026-08-21T11:57:00Z', log_type: 'audit.trail', tenant: { id: TENANT } },
  ...{ event: { type: 'client.register', category: 'authorization' }, actor: { id: 'u-1', type: 'admin' } },
  ...{
    object: { type: 'client', id: CLIENT_ID },
    action: { operation: 'create' },
    result: { status: 'success' },
  },
  correlation: { request_id: 'r-9' },
}

type Routes = Parameters<typeof stubServer>[0]

const newer = (logs: { auth?: object[]; audit?: object[]; m2m?: object[] }): Routes =>
  Object.fromEntries(
    (['auth', 'audit', 'm2m'] as const).map((name) => {
      const records = logs[name] ?? []
      return [
        `GET /authsec/logs/${name}/paginated`,
        { logs: records, page: 1, limit: 200, total: records.length },
      ]
    }),
  )
const older: Routes = {
  'GET /logs/auth/paginated': { data: [OLD_AUTH], pagination: { page: 1, page_size: 200, has_next: false } },
  'GET /logs/audit/paginated': {
    data: [OLD_AUDIT],
    pagination: { page: 1, page_size: 200, has_next: false },
  },
}

function run(args: readonly string[], routes: Routes) {
  const server = stubServer(routes)
  return { server, done: runCli(['audit', ...args], { env: ADMIN, fetch: server.fetch }) }
}

describe('a server that has the logs of AuthSec and no other', () => {
  test('of the newer era is searched through all three, in the order of time', async () => {
    const { server, done } = run(
      ['search', '--json'],
      newer({ auth: [AUTH], audit: [AUDIT], m2m: [MACHINE] }),
    )
    const { code, stdout } = await done
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      {
        seq: null,
        event: { type: 'policy.created', outcome: 'allow', source: 'POST /policies', request_id: 'r-1' },
      },
      { seq: null, event: { type: 'login', outcome: 'deny', reason: 'bad password', actor: { id: 'u-1' } } },
      {
        seq: null,
        event: {
          ...{
            type: 'token.exchanged',
            outcome: 'allow',
            client: CLIENT_ID,
            aud: ['https://billing.example'],
          },
          ...{ subject: { type: 'user', id: 'u-2' }, permissions: { granted: ['billing:read'] } },
        },
      },
    ])
    expect(server.calls.map(({ path, query }) => `${path}?${query}`)).toContain(
      '/authsec/logs/m2m/paginated?page=1&limit=200',
    )
  })

  test('of the older era too, by its own names of parameters', async () => {
    const { server, done } = run(['search', '--json', '--type', 'client.registered'], older)
    expect(JSON.parse((await done).stdout)).toMatchObject([
      { event: { type: 'client.registered', client: CLIENT_ID, request_id: 'r-9', outcome: 'allow' } },
    ])
    expect(Object.fromEntries(server.calls.at(-1)?.query ?? [])).toMatchObject({
      ...{ tenant_id: TENANT, page: '1', page_size: '200', sort_desc: 'true' },
    })
  })

  test('narrows what it sends by the same filters', async () => {
    const logs = newer({ auth: [AUTH], audit: [AUDIT], m2m: [MACHINE] })
    const { stdout } = await run(['search', '--outcome', 'deny'], logs).done
    expect(stdout).toBe('\t2026-08-21T11:58:00Z\tdeny\tlogin\t\t\t\t\tbad password\tuser:u-1\n')
    expect((await run(['search', '--since', '90s'], logs).done).stdout.split('\n')).toHaveLength(2)
    expect((await run(['search', '--limit', '1'], logs).done).stdout).toContain('exchanged a token')
  })

  test('may have records without a status, which are told by their level', async () => {
    const { id: _id, status: _status, action: _action, error: _error, ...bare } = AUTH
    const records = ['INFO', 'ERROR', undefined].map((log_level) => ({
      ...bare,
      ...{ log_level, event_type: `level-${log_level}`, message: 'm' },
    }))
    const { stdout } = await run(['search', '--json'], newer({ auth: records })).done
    const told = JSON.parse(stdout).map(({ event }: { event: { type: string; outcome: string } }) => [
      event.type,
      event.outcome,
    ])
    expect(Object.fromEntries(told)).toEqual({
      'level-INFO': 'allow',
      'level-ERROR': 'deny',
      'level-undefined': 'allow',
    })
  })

  test.each([['export'], ['search', '--count-by', 'client']])(
    'says where its logs are told when %s needs another one',
    async (...args) => {
      const { code, stderr } = await run(args, newer({ audit: [AUDIT] })).done
      expect(code).toBe(6)
      expect(stderr).toContain('has no audit log that can be verified')
      expect(stderr).toContain('authsec audit search and authsec audit tail')
    },
  )

  test('is asked again and again by tail, which tells each record once', async () => {
    const keyboard = new AbortController()
    const next = { ...AUTH, id: 42, timestamp: '2026-08-21T12:00:01Z' }
    const pages = [[AUTH], [AUTH], [next, AUTH], [next, AUTH]].map((logs) => ({ logs }))
    const server = stubServer({ ...newer({ audit: [AUDIT] }), 'GET /authsec/logs/auth/paginated': pages })
    const pauses: number[] = []
    const { code, stdout, stderr } = await runCli(['audit', 'tail'], {
      env: ADMIN,
      fetch: server.fetch,
      signal: keyboard.signal,
      clock: {
        sleep: async (ms) => {
          pauses.push(ms)
          if (pauses.length === 4) keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
          keyboard.signal.throwIfAborted()
        },
      },
    })
    expect(code).toBe(130)
    expect(stdout.split('\n').map((line) => line.split('\t')[1])).toEqual([
      ...['2026-08-21T11:57:00Z', '2026-08-21T11:58:00Z', '2026-08-21T12:00:01Z', undefined],
    ])
    expect(stderr).toBe(
      'this server cannot be followed: its logs are asked every 2 s\n3 events: policy.created 1, login 2\n',
    )
    expect(pauses).toEqual([2000, 2000, 2000, 2000])
  })

  test('goes back as far as there is news', async () => {
    const record = (id: number) => ({ ...AUTH, id })
    const page = (first: number) => ({ logs: Array.from({ length: 200 }, (_, at) => record(first - at)) })
    const server = stubServer({
      ...newer({}),
      'GET /authsec/logs/auth/paginated': [
        { logs: [record(1)] },
        page(301),
        { logs: [...page(101).logs.slice(0, 101)] },
      ],
    })
    const { code, stdout } = await runCli(['audit', 'tail', '-n', '0', '--until-match', 'id=301', '--json'], {
      env: ADMIN,
      fetch: server.fetch,
      clock: { sleep: async () => {} },
    })
    expect(code).toBe(0)
    const ids = stdout
      .trimEnd()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).event.id)
    expect(ids).toEqual(Array.from({ length: 300 }, (_, at) => String(at + 2)))
  })

  test('has no place to go on from', async () => {
    const { done } = run(['tail', '--cursor', '4', '--no-follow'], newer({}))
    expect(await done).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/have no places to go on from\nhint: /),
    })
  })

  test('lets no record reach the terminal', async () => {
    const evil = { ...AUTH, action: 'x\u001b[2J\u202e\ny', error: '\u009b31m', userId: 'a\tb' }
    for (const json of [[], ['--json']]) {
      const { stdout } = await run(['search', ...json], newer({ auth: [evil] })).done
      for (const raw of ['\u001b', '\u009b', '\u202e', '\ny']) expect(stdout).not.toContain(raw)
    }
  })

  test('that has no logs at all says so', async () => {
    expect(await run(['search'], {}).done).toMatchObject({ code: 6, stdout: '' })
    expect(await run(['search'], newer({})).done).toMatchObject({ code: 0, stderr: 'no events\n' })
  })
})
