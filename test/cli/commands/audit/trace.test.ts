import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchangeForm, startTestServer } from '../../../support/running-server.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** The agent runs this one itself, and so may use up one-time tokens for it. */
const API = 'https://traced.example'
const UNKNOWN = '01a21767-0000-7000-8000-000000000000'

/** What an agent lived through, from its registration to the end of its delegation. */
interface Story {
  agent: string
  policy: string
  delegation: string
  base: string
  parent: string
  child: string
  refusal: string
}

let cli: ServedCli
let story: Story

beforeAll(async () => {
  cli = await serveCli()
  story = await live(cli)
})
afterAll(() => cli.server.close())

async function live({ server, read, run }: ServedCli): Promise<Story> {
  const { client_id: agent } = await read([
    ...['client', 'register', 'traced', '--type', 'ai_agent', '--agent-type', 'traced-type'],
  ])
  const resource = { uri: API, permissions: ['billing:read', 'billing:refund'], client_id: agent }
  expect(await server.call('POST', '/admin/resources', { admin: true, json: resource })).toMatchObject({
    status: 201,
  })
  const { id: policy } = await read([
    ...['policy', 'create', '--role', 'admin', '--agent-type', 'traced-type', '--max-ttl', '24h'],
    ...['--permission', 'billing:read', '--permission', 'billing:refund', '--resource', API],
  ])
  await read(['delegation', 'grant', agent])
  const pull = async () =>
    (await server.call('GET', `/authsec/uflow/sdk/delegation-token?client_id=${agent}`)).json.token
  // Two pulls: only the second one led to the token.
  await pull()
  const exchange = async (fields: Record<string, string>) =>
    (
      await server.call('POST', '/oauth/token', {
        form: { ...exchangeForm(agent), resource: API, ...fields },
      })
    ).json
  const subject_token = await pull()
  const parent = await exchange({ subject_token })
  await exchange({ subject_token, scope: 'billing:read' })
  const onwards = { subject_token: parent.access_token, subject_token_type: ACCESS_TOKEN }
  const child = await exchange({ ...onwards, scope: 'billing:read', one_time: 'true' })
  const refusal = await exchange({ ...onwards, scope: 'billing:everything' })
  await server.call('POST', '/oauth/consume', { form: { client_id: agent, token: child.access_token } })
  await server.call('POST', '/oauth/revoke', { form: { client_id: agent, token: parent.access_token } })
  const jtis = [subject_token, parent.access_token, child.access_token].map(
    (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).jti,
  )
  expect(await run(['delegation', 'revoke', agent, '--confirm', 'traced'])).toMatchObject({ code: 0 })
  const [{ event }] = await read(['audit', 'search', '--jti', jtis[1], '--type', 'token.exchanged'])
  return {
    ...{ agent, policy, delegation: event.delegation, refusal: refusal.authsec_audit },
    ...{ base: jtis[0], parent: jtis[1], child: jtis[2] },
  }
}

/** The types of the events of a trace, in the order of the log. */
async function typesOf(id: string): Promise<string[]> {
  const { events } = await cli.read(['audit', 'trace', id])
  const seqs = events.map(({ seq }: { seq: number }) => seq)
  expect(seqs).toEqual([...seqs].sort((one, other) => one - other))
  return events.map(({ event }: { event: { type: string } }) => event.type)
}

const WHOLE = [
  'client.registered',
  'resource.created',
  'policy.created',
  'delegation.granted',
  'delegation.pulled',
  'token.exchanged',
  'token.exchanged',
  'token.exchanged',
  'token.used',
  'token.revoked',
  'delegation.revoked',
]

describe('authsec audit trace', () => {
  test('tells of a token all from the registration of its client to the end of its delegation, children included', async () => {
    expect((await typesOf(story.parent)).filter((type) => type !== 'identity.provisioned')).toEqual(WHOLE)
    const { kind, id, cut } = await cli.read(['audit', 'trace', story.parent.toUpperCase()])
    expect({ kind, id, cut }).toEqual({ kind: 'token', id: story.parent, cut: false })
  })

  test('tells of a token of the seeded agent all from the registration that the seed was', async () => {
    const server = await startTestServer()
    const { access_token } = (await server.exchange()).json
    const { jti } = JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url').toString())
    const revoked = { client_id: server.clientId, token: access_token }
    await server.call('POST', '/oauth/revoke', { form: revoked })
    const { stdout } = await cli.run(['audit', 'trace', jti, '--json'], {
      env: { AUTHSEC_SERVER: server.url, AUTHSEC_TOKEN: server.adminToken },
    })
    const types = JSON.parse(stdout).events.map(({ event }: { event: { type: string } }) => event.type)
    expect(types).toEqual([
      ...['client.registered', 'policy.created', 'delegation.granted', 'delegation.pulled'],
      ...['token.exchanged', 'token.revoked'],
    ])
    await server.close()
  })

  test('tells of a child how it came to be, and nothing of what was refused to its parent', async () => {
    const types = (await typesOf(story.child)).filter((type) => type !== 'identity.provisioned')
    expect(types).toEqual(WHOLE.toSpliced(5, 1))
  })

  test('tells of a refusal what led to it', async () => {
    const { kind, events } = await cli.read(['audit', 'trace', story.refusal])
    expect(kind).toBe('event')
    const refused = events.filter(({ event }: { event: { outcome: string } }) => event.outcome === 'deny')
    expect(refused.map(({ event }: { event: { id: string } }) => event.id)).toEqual([story.refusal])
    expect(events.map(({ event }: { event: { jti?: string } }) => event.jti)).toContain(story.parent)
  })

  test.each(['delegation', 'agent', 'policy', 'base'] as const)(
    'tells of a %s everything that rests on it',
    async (what) => {
      const types = await typesOf(story[what])
      for (const type of WHOLE) expect(types).toContain(type)
      expect(types.filter((type) => type === 'delegation.pulled')).toHaveLength(2)
      expect(types.filter((type) => type === 'token.exchanged')).toHaveLength(4)
    },
  )

  test('finds a client by its name too', async () => {
    const { kind, id } = await cli.read(['audit', 'trace', 'traced'])
    expect({ kind, id }).toEqual({ kind: 'client', id: story.agent })
  })

  test('draws who acted for whom and what each hop narrowed with --tree', async () => {
    const { code, stdout } = await cli.run(['audit', 'trace', story.parent, '--tree'])
    expect(code).toBe(0)
    const lines = stdout.split('\n')
    const indexOf = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line))
    const places = [
      /^user [0-9a-f-]{36}$/,
      new RegExp(`^ {2}token ${story.base} {2}agent ${story.agent} .*billing:read billing:refund  for 1h$`),
      new RegExp(`^ {4}token ${story.parent} .*at ${API}  billing:read billing:refund  for 1m$`),
      /^ {6}deny .* asked billing:everything {2}invalid_scope$/,
      /^ {6}allow .* revoked a token$/,
      new RegExp(`^ {6}token ${story.child} .*billing:read {2}\\(dropped: billing:refund\\) {2}for 1m$`),
      /^ {8}allow .* accepted a token$/,
    ].map(indexOf)
    expect(places).toEqual([...places].sort((one, other) => one - other))
    expect(places).not.toContain(-1)
  })

  test('gives the same tree as data', async () => {
    const { tokens } = await cli.read(['audit', 'trace', story.parent])
    expect(tokens).toMatchObject([
      {
        jti: story.base,
        children: [
          { jti: story.parent, dropped: [], children: [{ jti: story.child, dropped: ['billing:refund'] }] },
        ],
      },
    ])
  })

  test.each([UNKNOWN, 'nobody', 'token.jwt'])('knows no %s where the log does not', async (what) => {
    expect(await cli.run(['audit', 'trace', what])).toEqual({
      code: 6,
      stdout: '',
      stderr: expect.stringMatching(
        `^authsec: the audit log knows no "${what}"\nhint: Give the jti of a token`,
      ),
    })
  })
})
