import { describe, expect, test } from 'vitest'
import { type RunOptions, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, CLIENT_ID, stubServer, TENANT } from '../../../support/stub-server.js'

const EVENTS = 'GET /audit/events'
const ALLOWED = {
  seq: 12,
  event: {
    id: 'ev-12',
    type: 'token.exchanged',
    outcome: 'allow',
    occurred_at: '2026-08-21T11:59:30.250Z',
    actor: { type: 'client', id: CLIENT_ID },
    subject: { type: 'user', id: 'user-1' },
    client: CLIENT_ID,
    aud: ['https://billing.example'],
    permissions: { asked: ['billing:read'], granted: ['billing:read'] },
  },
}
const DENIED = {
  seq: 13,
  event: {
    ...ALLOWED.event,
    id: 'ev-13',
    outcome: 'deny',
    reason: 'invalid_scope',
    permissions: { asked: ['billing:refund'] },
  },
}
const STARTED = {
  seq: 0,
  event: {
    id: 'ev-0',
    type: 'server.started',
    outcome: 'allow',
    occurred_at: '2026-08-21T11:00:00.000Z',
    actor: { type: 'server', id: 'boot-1' },
  },
}

function search(args: readonly string[], routes: Parameters<typeof stubServer>[0], options: RunOptions = {}) {
  const server = stubServer(routes)
  return {
    /** What is asked of the events; that the log is held against what was seen of it before stands elsewhere. */
    queries: () => server.calls.flatMap(({ path, query }) => (path === '/audit/events' ? [query] : [])),
    server,
    done: runCli(['audit', 'search', ...args], { env: ADMIN, fetch: server.fetch, ...options }),
  }
}

const decodeURIComponentOf = (query: URLSearchParams) => decodeURIComponent(`${query}`)

describe('authsec audit search', () => {
  const page = { [EVENTS]: { events: [STARTED, ALLOWED, DENIED], next: 13 } }

  test('prints one line for each event, separated by tabs', async () => {
    const { done } = search([], page)
    expect(await done).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        '0\t2026-08-21T11:00:00Z\tallow\tstarted the server\t\t\t\t\t\tserver:boot-1',
        `12\t2026-08-21T11:59:30Z\tallow\texchanged a token for a call token\t${CLIENT_ID}\tuser-1\thttps://billing.example\tbilling:read\t\tclient:${CLIENT_ID}`,
        `13\t2026-08-21T11:59:30Z\tdeny\texchanged a token for a call token\t${CLIENT_ID}\tuser-1\thttps://billing.example\tbilling:refund\tinvalid_scope\tclient:${CLIENT_ID}`,
        '',
      ].join('\n'),
    })
  })

  test('tells it in words on a terminal', async () => {
    const { done } = search([], page, { tty: true, env: { ...ADMIN, NO_COLOR: '1' } })
    expect((await done).stdout).toBe(
      [
        '    0  2026-08-21T11:00:00Z  allow  started the server  by server boot-1',
        `   12  2026-08-21T11:59:30Z  allow  exchanged a token for a call token  client ${CLIENT_ID}  for user user-1  at https://billing.example  billing:read`,
        `   13  2026-08-21T11:59:30Z  deny   exchanged a token for a call token  client ${CLIENT_ID}  for user user-1  at https://billing.example  asked billing:refund  invalid_scope`,
        '',
      ].join('\n'),
    )
  })

  test('is an array with --json', async () => {
    const { done } = search(['--json'], page)
    expect(JSON.parse((await done).stdout)).toEqual([STARTED, ALLOWED, DENIED])
  })

  test('asks for the newest hundred, and for what the flags say', async () => {
    const { queries, done } = search([], page)
    await done
    expect(queries().map((query) => Object.fromEntries(query))).toEqual([{ last: '100' }])
    const all = [
      '--since',
      '1h',
      '--until',
      '2026-08-21T11:30:00Z',
      '--limit',
      '5',
      '--type',
      'token.*',
      '--client',
      CLIENT_ID.toUpperCase(),
    ]
    const narrowed = search(
      [
        ...all,
        '--jti',
        'j-1',
        '--outcome',
        'deny',
        '--filter',
        'reason=invalid_scope',
        '--filter',
        'subject=user-1',
      ],
      page,
    )
    await narrowed.done
    const [query] = narrowed.queries()
    expect(query?.getAll('filter')).toEqual([
      `reason=invalid_scope subject=user-1 type~token.* client=${CLIENT_ID} jti=j-1 outcome=deny since=2026-08-21T11:00:00.000Z until=2026-08-21T11:30:00.000Z`,
    ])
    expect(query?.get('last')).toBe('5')
  })

  test('looks a client up by its name', async () => {
    const routes = {
      ...page,
      [`GET /authsec/clientms/tenants/${TENANT}/clients/getClients`]: {
        clients: [{ client_id: CLIENT_ID, name: 'demo-agent' }],
      },
    }
    const { queries, done } = search(['--client', 'demo-agent'], routes)
    await done
    expect(queries().at(-1)?.getAll('filter')).toEqual([`client=${CLIENT_ID}`])
  })

  describe('with --count-by', () => {
    const counted = {
      [EVENTS]: [
        { events: [], next: 13 },
        { events: [STARTED, ALLOWED, DENIED], next: 13 },
      ],
    }

    test('counts all that match by what they have there, the most frequent first', async () => {
      const { queries, done } = search(['--count-by', 'client', '--outcome', 'allow'], counted)
      expect(await done).toEqual({ code: 0, stderr: '', stdout: `2\t${CLIENT_ID}\n1\t(none)\n` })
      expect(queries().map(decodeURIComponentOf)).toEqual([
        'last=0',
        'after=-1&before=14&limit=1000&filter=outcome=allow',
      ])
    })

    test('counts an event for each of several values, and gives the same as data', async () => {
      const { done } = search(['--count-by', 'permission', '--json'], counted)
      expect(JSON.parse((await done).stdout)).toEqual(
        expect.arrayContaining([
          { permission: 'billing:read', events: 1 },
          { permission: 'billing:refund', events: 1 },
          { permission: null, events: 1 },
        ]),
      )
    })

    test('says where there is nothing to count', async () => {
      const nothing = { [EVENTS]: { events: [], next: -1 } }
      const { done } = search(['--count-by', 'reason'], nothing)
      expect(await done).toEqual({ code: 0, stdout: '', stderr: 'no events\n' })
      expect((await search(['--count-by', 'reason', '--json'], nothing).done).stdout).toBe('[]\n')
    })

    test('lets no value reach the terminal', async () => {
      const evil = { seq: 1, event: { ...ALLOWED.event, reason: 'a\u001b[2J\n\u202e' } }
      const { done } = search(['--count-by', 'reason'], { [EVENTS]: { events: [evil], next: 1 } })
      expect((await done).stdout).toBe('1\ta\\u001b[2J\\u000a\\u202e\n')
    })
  })

  test('says when there may be more', async () => {
    const { done } = search(['--limit', '3'], page)
    expect((await done).stderr).toMatch(/^the newest 3; there may be more/)
  })

  test('lets no event reach the terminal', async () => {
    const evil = { seq: 1, event: { ...ALLOWED.event, type: 'x\u001b[2J', reason: 'a\tb\n\u202e' } }
    const { done } = search([], { [EVENTS]: { events: [evil], next: 1 } })
    expect((await done).stdout).toContain('\tx\\u001b[2J\t')
    expect((await done).stdout).toContain('\ta\\u0009b\\u000a\\u202e\t')
  })

  test('goes on where the server has looked at enough at once, and ends where it would not', async () => {
    const { queries, done } = search(['--limit', '3', '--json'], {
      [EVENTS]: [
        { events: [DENIED], next: 13, previous: 13 },
        { events: [], next: 13, previous: 9 },
        { events: [STARTED], next: 13, previous: 9 },
      ],
    })
    expect(JSON.parse((await done).stdout).map(({ seq }: { seq: number }) => seq)).toEqual([0, 13])
    expect(queries().map((query) => `?${query}`)).toEqual([
      '?last=3',
      '?before=13&last=2',
      '?before=9&last=2',
    ])
  })

  test('prints nothing but a note when nothing matches', async () => {
    const { done } = search([], { [EVENTS]: { events: [], next: 4 } })
    expect(await done).toEqual({ code: 0, stdout: '', stderr: 'no events\n' })
  })

  test.each([
    { args: ['--filter', 'colour=red'], stderr: /"colour=red" is not a filter\nhint: Write field=value/ },
    { args: ['--outcome', 'maybe'], stderr: /"maybe" is not an outcome/ },
    {
      args: ['--type', 'token.bought'],
      stderr: /"token\.bought" is not an event type\nhint: See authsec audit types/,
    },
    { args: ['--since', 'yesterday'], stderr: /"yesterday" is not a time/ },
    { args: ['--count-by', 'colour'], stderr: /colour/ },
    {
      args: ['--limit', '1001'],
      stderr:
        /"1001" is not a number from 1 to 1000\nhint: Give it in digits, 1 at least and 1000 at most\.\n$/,
    },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    const { server, done } = search(args, page)
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(server.calls).toEqual([])
  })

  test.each([
    { why: 'the session is stale', response: answer(401, { error: 'Invalid or expired token' }), code: 4 },
    {
      why: 'the session may not',
      response: answer(403, { error: 'insufficient_scope', error_description: 'no' }),
      code: 5,
    },
    { why: 'the page is not one', response: { events: [{ seq: 'a' }], next: 1 }, code: 21 },
  ])('fails when $why', async ({ response, code }) => {
    expect(await search([], { [EVENTS]: response }).done).toMatchObject({ code, stdout: '' })
  })
})
