import { describe, expect, test } from 'vitest'
import { NOW, type RunOptions, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, CLIENT_ID, stubServer, TENANT } from '../../../support/stub-server.js'

const CLIENT = `GET /authsec/clientms/tenants/${TENANT}/clients/${CLIENT_ID}`
const LIST = `GET /authsec/clientms/tenants/${TENANT}/clients/getClients`
const GRANT = `POST /authsec/uflow/admin/agents/${CLIENT_ID}/delegate-token`
const REVOKE = `POST /authsec/uflow/admin/agents/${CLIENT_ID}/revoke-token`
const BOT = { client_id: CLIENT_ID, name: 'billing-bot', agent_type: 'langchain', active: true }
const GRANTED = {
  token: 'eyJ.secret.token',
  spiffe_id: 'spiffe://authsec/agent',
  permissions: ['billing:read'],
  audience: ['https://billing.example'],
  expires_at: new Date(NOW + 3_600_000).toISOString(),
  ttl_seconds: 3600,
}
const ROUTES = {
  [CLIENT]: BOT,
  [LIST]: { clients: [BOT] },
  [GRANT]: GRANTED,
  [REVOKE]: { status: 'revoked', client_id: CLIENT_ID },
}

function run(
  args: readonly string[],
  routes: Parameters<typeof stubServer>[0] = {},
  options: RunOptions = {},
) {
  const server = stubServer({ ...ROUTES, ...routes })
  return { server, done: runCli(['delegation', ...args], { env: ADMIN, fetch: server.fetch, ...options }) }
}

describe('authsec delegation grant', () => {
  test('delegates everything of the policy when no API is named', async () => {
    const { server, done } = run(['grant', CLIENT_ID])
    expect(await done).toEqual({
      code: 0,
      stderr: '',
      stdout: `client id\t${CLIENT_ID}\npermissions\tbilling:read\naudience\thttps://billing.example\nexpires\t2026-08-21T13:00:00Z\n`,
    })
    expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toEqual({
      agent_type: 'langchain',
      audience: ['authsec-api'],
    })
  })

  test('takes a name, APIs and a duration', async () => {
    const { server, done } = run([
      'grant',
      'billing-bot',
      '--audience',
      'https://a.example',
      '--audience',
      'https://b.example',
      '--ttl',
      '1h',
    ])
    expect(await done).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toEqual({
      agent_type: 'langchain',
      audience: ['https://a.example', 'https://b.example'],
      ttl_seconds: 3600,
    })
  })

  test('never shows the base token', async () => {
    const { done } = run(['grant', CLIENT_ID, '--json'])
    const { stdout, stderr } = await done
    expect(stdout + stderr).not.toContain('secret')
    const { token: _, ...rest } = GRANTED
    expect(JSON.parse(stdout)).toEqual({ client_id: CLIENT_ID, ...rest })
  })

  test('warns when the policy shortens it', async () => {
    const { done } = run(['grant', CLIENT_ID, '--ttl', '8h'])
    expect((await done).stderr).toBe(
      'warning: the delegation lives 1h, not the 8h asked for: its policy allows no more\n',
    )
  })

  describe('at a terminal', () => {
    const AGENT = `billing-bot (langchain, ${CLIENT_ID})`
    const POLICY = {
      id: 'p-1',
      role_name: 'member',
      agent_type: 'langchain',
      allowed_permissions: ['billing:read'],
      resources: ['https://b.example', 'https://a.example'],
      enabled: true,
    }
    const ask = (
      answers: readonly string[],
      policies: readonly object[],
      clients: readonly object[] = [BOT],
    ) =>
      run(
        ['grant'],
        { [LIST]: { clients }, 'GET /authsec/uflow/delegation-policies': [policies] },
        { tty: true, answers },
      )

    test.each([
      { what: 'all that its policy allows', answers: ['', ''], sends: { audience: ['authsec-api'] } },
      {
        what: 'some of it, for a time',
        answers: ['https://a.example', ' 1h '],
        sends: { audience: ['https://a.example'], ttl_seconds: 3600 },
      },
    ])('lets a person choose the agent and delegate $what', async ({ answers, sends }) => {
      const { server, done } = ask([AGENT, ...answers], [POLICY])
      expect(await done).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toEqual({ agent_type: 'langchain', ...sends })
    })

    test('offers the APIs of the policies that hold for the agent alone', async () => {
      const others = [
        { ...POLICY, agent_type: 'crewai', resources: ['https://crew.example'] },
        { ...POLICY, enabled: false, resources: ['https://off.example'] },
        { ...POLICY, client_id: 'another', resources: ['https://bound.example'] },
      ]
      const { done } = ask([AGENT, 'https://c.example'], [POLICY, ...others])
      expect((await done).stderr).toContain('none of https://a.example, https://b.example')
    })

    test('does not ask where one API is all there is', async () => {
      const { done } = ask([AGENT, ''], [{ ...POLICY, resources: ['https://a.example'] }])
      expect(await done).toMatchObject({ code: 0 })
    })

    test('offers agents, and says how to register one where there is none', async () => {
      const { server, done } = ask([], [], [{ ...BOT, agent_type: undefined }])
      expect(await done).toMatchObject({
        code: 6,
        stderr: expect.stringMatching(/no active agent to delegate to\nhint: Register one/),
      })
      expect(server.calls.filter(({ method }) => method === 'POST')).toEqual([])
    })
  })

  test('delegates what is declared, one after the other', async () => {
    const declared = [
      { client: 'billing-bot' },
      { client: CLIENT_ID, audience: ['https://a.example'], ttl: '1h' },
    ]
    const options = { stdin: JSON.stringify(declared) }
    const { server, done } = run(['grant', '--file', '-', '--json'], {}, options)
    const { stdout } = await done
    expect(JSON.parse(stdout)).toHaveLength(2)
    expect(stdout).not.toContain('secret')
    const sent = server.calls
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body ?? ''))
    expect(sent).toEqual([
      { agent_type: 'langchain', audience: ['authsec-api'] },
      { agent_type: 'langchain', audience: ['https://a.example'], ttl_seconds: 3600 },
    ])
  })

  test.each([[CLIENT_ID], ['--ttl', '1h']])('takes nothing beside a file: %j', async (...more) => {
    const { server, done } = run(
      ['grant', '--file', '-', ...more],
      {},
      { stdin: '{"client": "billing-bot"}' },
    )
    expect(await done).toMatchObject({ code: 2, stdout: '' })
    expect(server.calls).toEqual([])
  })

  test('is a usage error without a client, where nobody can be asked', async () => {
    const { server, done } = run(['grant'])
    expect(await done).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('no client is given\nhint: Write authsec delegation grant CLIENT'),
    })
    expect(server.calls).toEqual([])
  })

  test.each([
    {
      why: 'no policy allows it',
      routes: { [GRANT]: answer(403, { error: 'Delegation not allowed', details: 'no enabled policy' }) },
      code: 5,
      stderr: /delegation not allowed: no enabled policy\nhint: See authsec policy list/,
    },
    {
      why: 'nothing is left to delegate',
      routes: { [GRANT]: answer(403, { error: 'No permissions to delegate after intersection' }) },
      code: 5,
      stderr: /no permissions to delegate/,
    },
    {
      why: 'the policy is bound to another client',
      routes: { [GRANT]: answer(403, { error: 'Delegation policy is bound to client X, not Y' }) },
      code: 5,
      stderr: /bound to client/,
    },
    {
      why: 'the agent is not active',
      routes: { [GRANT]: answer(400, { error: 'Agent is not active' }) },
      code: 7,
      stderr: /agent is not active/,
    },
    {
      why: 'the agent has no identity',
      routes: {
        [GRANT]: answer(400, { error: 'Agent does not have a SPIFFE identity. Provision identity first.' }),
      },
      code: 7,
      stderr: /SPIFFE identity/,
    },
    {
      why: 'the client is no agent',
      routes: { [CLIENT]: { ...BOT, agent_type: null } },
      code: 7,
      stderr: /"billing-bot" is not an agent/,
    },
    {
      why: 'there is no such client',
      routes: { [CLIENT]: answer(404, { error: 'Client not found' }) },
      code: 6,
      stderr: /no client 0c6f/,
    },
  ])('fails when $why', async ({ routes, code, stderr }) => {
    const { done } = run(['grant', CLIENT_ID], routes)
    expect(await done).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})

describe('authsec delegation revoke', () => {
  test('revokes when the name is confirmed', async () => {
    const { done } = run(['revoke', CLIENT_ID, '--confirm', 'billing-bot'])
    expect(await done).toEqual({
      code: 0,
      stdout: '',
      stderr: `revoked the delegation of billing-bot (${CLIENT_ID})\n`,
    })
  })

  test('prints one object with --json', async () => {
    const { done } = run(['revoke', 'billing-bot', '--confirm', 'billing-bot', '--json'])
    expect(JSON.parse((await done).stdout)).toEqual({
      client_id: CLIENT_ID,
      name: 'billing-bot',
      status: 'revoked',
    })
  })

  test('asks for the name on a terminal', async () => {
    const { done } = run(['revoke', CLIENT_ID], {}, { tty: true, answers: ['billing-bot'] })
    expect(await done).toMatchObject({ code: 0 })
  })

  test.each([
    {
      why: 'the typed name is another',
      args: [],
      options: { tty: true, answers: ['yes'] },
      stderr: /"yes" is not the name of the client: nothing was revoked\nhint: It is billing-bot\./,
    },
    {
      why: 'the confirmed name is another',
      args: ['--confirm', CLIENT_ID],
      options: {},
      stderr: /nothing was revoked/,
    },
    {
      why: 'there is no terminal to ask',
      args: [],
      options: {},
      stderr: /^authsec: it has to be confirmed: nothing was revoked\nhint: Add --confirm/,
    },
    {
      why: 'prompts are off',
      args: ['--no-input'],
      options: { tty: true, answers: ['billing-bot'] },
      stderr: /has to be confirmed/,
    },
    {
      why: 'only standard output is a terminal',
      args: [],
      options: { tty: { stdout: true } },
      stderr: /has to be confirmed/,
    },
  ])('revokes nothing when $why', async ({ args, options, stderr }) => {
    const { server, done } = run(['revoke', CLIENT_ID, ...args], {}, options)
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(server.calls.filter(({ method }) => method === 'POST')).toEqual([])
  })

  test('fails when there is no delegation', async () => {
    const refusal = answer(404, { error: 'No active delegation token found for this agent' })
    const { done } = run(['revoke', CLIENT_ID, '--confirm', 'billing-bot'], { [REVOKE]: refusal })
    expect(await done).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('has no live delegation to revoke'),
    })
  })
})
