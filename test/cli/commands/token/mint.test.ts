import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, CLIENT_ID, noConnection, stubServer, TENANT } from '../../../support/stub-server.js'
import { formatUnsignedJwt } from '../../../support/unsigned-jwt.js'

const AUDIENCE = 'https://billing.example'
const BASE = formatUnsignedJwt({ alg: 'RS256' }, { sub: 'agent' })
const CALL = formatUnsignedJwt({ alg: 'ES256' }, { exp: NOW / 1000 + 60 })

const METADATA = 'GET /.well-known/oauth-authorization-server'
const PULL = 'GET /authsec/uflow/sdk/delegation-token'
const EXCHANGE = 'POST /oauth/token'
const CLIENT = `GET /authsec/clientms/tenants/${TENANT}/clients/${CLIENT_ID}`
const CLIENTS = `GET /authsec/clientms/tenants/${TENANT}/clients/getClients`
const GRANT = `POST /authsec/uflow/admin/agents/${CLIENT_ID}/delegate-token`

const ROUTES = {
  [METADATA]: { issuer: 'http://127.0.0.1:7468', authsec_call_tokens: { max_ttl_seconds: 300 } },
  [PULL]: base(3600),
  [EXCHANGE]: {
    access_token: CALL,
    token_type: 'Bearer',
    expires_in: 60,
    scope: 'billing:read',
    authsec_audit: 'ev-1',
  },
  [CLIENT]: { client_id: CLIENT_ID, name: 'demo-agent', agent_type: 'langchain', active: true },
  [GRANT]: base(3600),
}
const ENV = { AUTHSEC_SERVER: 'http://127.0.0.1:7468', AUTHSEC_CLIENT_ID: CLIENT_ID }

function base(seconds: number, token: string = BASE): object {
  const expires_at = new Date(NOW + seconds * 1000).toISOString()
  return {
    token,
    expires_at,
    permissions: ['billing:read', 'profile:read'],
    audience: ['authsec-api'],
    ttl_seconds: seconds,
  }
}

function mint(
  args: readonly string[],
  routes: Parameters<typeof stubServer>[0] = {},
  env: Record<string, string> = {},
) {
  const server = stubServer({ ...ROUTES, ...routes })
  return { server, run: runCli(['token', 'mint', ...args], { env: { ...ENV, ...env }, fetch: server.fetch }) }
}

describe('authsec token mint', () => {
  test('prints the call token and nothing else', async () => {
    const { server, run } = mint([
      '--audience',
      AUDIENCE,
      '--permission',
      'billing:read',
      '--tool',
      'bills',
      '--ttl',
      '1m',
    ])
    expect(await run).toEqual({ code: 0, stdout: `${CALL}\n`, stderr: '' })
    const form = new URLSearchParams(server.calls.at(-1)?.body)
    expect(Object.fromEntries(form)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: BASE,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: CLIENT_ID,
      resource: AUDIENCE,
      scope: 'billing:read',
      ttl_seconds: '60',
      tool: 'bills',
    })
  })

  test('prints the base token when no call is meant, and asks for no exchange', async () => {
    const { server, run } = mint([])
    expect(await run).toEqual({ code: 0, stdout: `${BASE}\n`, stderr: '' })
    expect(server.calls.map(({ path }) => path)).toEqual(['/authsec/uflow/sdk/delegation-token'])
  })

  test('prints one object with --json', async () => {
    const { run } = mint(['--audience', AUDIENCE, '--json'])
    const { code, stdout, stderr } = await run
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      token: CALL,
      kind: 'call',
      client_id: CLIENT_ID,
      audience: [AUDIENCE],
      permissions: ['billing:read'],
      expires_at: '2026-08-21T12:01:00Z',
      expires_in: 60,
      audit_id: 'ev-1',
    })
  })

  test('tells which permissions came when none was asked for', async () => {
    const { run } = mint(['--audience', AUDIENCE])
    expect(await run).toMatchObject({
      code: 0,
      stderr: 'no permission was asked for: the token carries billing:read\n',
    })
  })

  test('prints a header for curl', async () => {
    const { run } = mint(['--audience', AUDIENCE, '--permission', 'billing:read', '--header'])
    expect(await run).toMatchObject({ code: 0, stdout: `Authorization: Bearer ${CALL}\n` })
  })

  test('writes a file that only its owner can read', async () => {
    const file = join(await makeDirectory(), 'token.jwt')
    const { run } = mint(['--out', file])
    expect(await run).toMatchObject({ code: 0, stdout: '', stderr: `wrote the token to "${file}"\n` })
    expect(await readFile(file, 'utf8')).toBe(`${BASE}\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test('keeps the token out of the object when it goes to a file', async () => {
    const file = join(await makeDirectory(), 'token.jwt')
    const { run } = mint(['--out', file, '--json'])
    const { stdout } = await run
    expect(stdout).not.toContain(BASE)
    expect(JSON.parse(stdout)).toMatchObject({ file, kind: 'base' })
  })

  test('in GitHub Actions masks the token before it prints it, on the stream that nobody captures', async () => {
    const { run } = mint([], {}, { GITHUB_ACTIONS: 'true' })
    expect(await run).toEqual({ code: 0, stdout: `${BASE}\n`, stderr: `::add-mask::${BASE}\n` })
  })

  test('warns when the token lives shorter than asked for', async () => {
    const short = {
      [EXCHANGE]: { access_token: CALL, token_type: 'Bearer', expires_in: 60, scope: 'billing:read' },
    }
    const { run } = mint(['--audience', AUDIENCE, '--permission', 'billing:read', '--ttl', '5m'], short)
    expect(await run).toMatchObject({
      code: 0,
      stdout: `${CALL}\n`,
      stderr: 'warning: the token lives 1m, not the 5m asked for: its delegation ends then\n',
    })
  })

  test('finds a client by its name', async () => {
    const clients = {
      clients: [
        { client_id: CLIENT_ID, name: 'billing-bot' },
        { client_id: 'x', name: 'billing-bot-2' },
      ],
      pagination: { total_pages: 1 },
    }
    const server = stubServer({ ...ROUTES, [CLIENTS]: clients })
    const run = await runCli(['token', 'mint', '--client', 'billing-bot'], {
      env: ADMIN,
      fetch: server.fetch,
    })
    expect(run).toMatchObject({ code: 0, stdout: `${BASE}\n` })
    expect(server.calls.at(-1)?.query.get('client_id')).toBe(CLIENT_ID)
  })

  test('sends the session where pulling may need it, but never with an exchange', async () => {
    const server = stubServer(ROUTES)
    await runCli(['token', 'mint', '--client', CLIENT_ID, '--audience', AUDIENCE], {
      env: ADMIN,
      fetch: server.fetch,
    })
    const sent = server.calls.map(({ path, headers }) => [path, headers.has('authorization')])
    expect(sent).toEqual([
      ['/.well-known/oauth-authorization-server', false],
      ['/authsec/uflow/sdk/delegation-token', true],
      ['/oauth/token', false],
    ])
  })

  describe('with --grant', () => {
    const none = { [PULL]: answer(404, { error: 'No active delegation token found' }) }

    test('delegates when there is no delegation', async () => {
      const { server, run } = mint(['--grant'], none, ADMIN)
      expect(await run).toEqual({ code: 0, stdout: `${BASE}\n`, stderr: '' })
      expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toEqual({
        agent_type: 'langchain',
        audience: ['authsec-api'],
      })
    })

    test('leaves a live delegation alone, because a new one would end it', async () => {
      const { server, run } = mint(['--grant'], {}, ADMIN)
      expect(await run).toMatchObject({ code: 0 })
      expect(server.calls.map(({ method }) => method)).toEqual(['GET'])
    })

    test('renews one that ends before --min-ttl', async () => {
      const renewed = formatUnsignedJwt({ alg: 'RS256' }, { sub: 'renewed' })
      const { run } = mint(
        ['--grant', '--min-ttl', '30m'],
        { [PULL]: base(60), [GRANT]: base(3600, renewed) },
        ADMIN,
      )
      expect(await run).toEqual({ code: 0, stdout: `${renewed}\n`, stderr: '' })
    })

    test('needs a session', async () => {
      const { run } = mint(['--grant'], none)
      expect(await run).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringContaining('authsec dev serve'),
      })
    })
  })

  test.each([
    {
      why: 'there is no delegation',
      routes: { [PULL]: answer(404, { error: 'No active delegation token found' }) },
      code: 6,
      stderr: /no live delegation\nhint: .*--grant/,
    },
    {
      why: 'the client is unknown',
      routes: { [PULL]: answer(404, { error: 'Client not found' }) },
      code: 6,
      stderr: /no client 0c6f/,
    },
    {
      why: 'the delegation has expired',
      routes: { [PULL]: answer(410, { error: 'Delegation token has expired' }) },
      code: 5,
      stderr: /has expired\nhint: .*delegation grant/,
    },
    {
      why: 'the server offers no exchange',
      routes: { [METADATA]: { issuer: 'x' } },
      code: 7,
      stderr: /does not offer call tokens\nhint: /,
    },
    {
      why: 'the server has no metadata',
      routes: { [METADATA]: answer(404, { error: 'no' }) },
      code: 7,
      stderr: /does not offer call tokens/,
    },
    {
      why: 'the permission is not within the delegation',
      routes: {
        [EXCHANGE]: answer(400, {
          error: 'invalid_scope',
          error_description: 'billing:refund is not within the delegation',
        }),
      },
      code: 5,
      stderr: /^authsec: billing:refund is not within the delegation\nhint: /,
    },
    {
      why: 'the audience is not within it',
      routes: { [EXCHANGE]: answer(400, { error: 'invalid_target', error_description: 'no' }) },
      code: 5,
      stderr: /^authsec: no\nhint: See authsec policy list/,
    },
    {
      why: 'the server is down',
      routes: { [METADATA]: noConnection() },
      code: 20,
      stderr: /connection refused\nhint: .*authsec dev serve/,
    },
    {
      why: 'the answer is a page',
      routes: { [PULL]: new Response('<html>') },
      code: 21,
      stderr: /instead of JSON/,
    },
    {
      why: 'the answer lacks the token',
      routes: { [EXCHANGE]: { token_type: 'Bearer', expires_in: 60 } },
      code: 21,
      stderr: /has no access_token/,
    },
    {
      why: 'the server is overrun',
      routes: { [EXCHANGE]: answer(429, { error: 'slow' }) },
      code: 22,
      stderr: /slow/,
    },
    {
      why: 'more was granted than asked',
      routes: {
        [EXCHANGE]: {
          access_token: CALL,
          token_type: 'Bearer',
          expires_in: 60,
          scope: 'billing:read billing:refund',
        },
      },
      code: 21,
      stderr: /granted more than was asked for/,
    },
    {
      why: 'the token smuggles a second line',
      routes: { [EXCHANGE]: { access_token: `${CALL}\n::set-env::`, token_type: 'Bearer', expires_in: 60 } },
      code: 21,
      stderr: /not a token/,
    },
  ])('fails when $why', async ({ routes, code, stderr }) => {
    const { run } = mint(['--audience', AUDIENCE, '--permission', 'billing:read'], routes)
    expect(await run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test.each([
    {
      why: 'a call token is to live more than 300 s',
      args: ['--audience', AUDIENCE, '--ttl', '301s'],
      stderr: /^authsec: --ttl "301s" is more than the 5m/,
    },
    {
      why: 'it is to live that long at least',
      args: ['--audience', AUDIENCE, '--min-ttl', '6m'],
      stderr: /--min-ttl 6m is more than the 5m/,
    },
    {
      why: 'it is to live no time',
      args: ['--audience', AUDIENCE, '--ttl', '0s'],
      stderr: /no time at all\nhint: Write a duration/,
    },
    {
      why: 'a permission has no audience',
      args: ['--permission', 'billing:read'],
      stderr: /--permission needs --audience/,
    },
    { why: 'a TTL has no audience', args: ['--ttl', '1m'], stderr: /--ttl needs --audience/ },
    { why: 'a tool has no audience', args: ['--tool', 't'], stderr: /--tool needs --audience/ },
    {
      why: 'two permissions come as one',
      args: ['--audience', AUDIENCE, '--permission', 'a:b c:d'],
      stderr: /"a:b c:d" is not a permission\nhint: /,
    },
    { why: '--out and --header are given', args: ['--out', 'f', '--header'], stderr: /cannot be used with/ },
    {
      why: 'a token is given',
      args: ['--client', CALL],
      stderr: /can be read by every process.*\nhint: Pipe it in/,
    },
  ])('is a usage error without any call when $why', async ({ args, stderr }) => {
    const { server, run } = mint(args)
    const { code, stdout, stderr: actual } = await run
    expect({ code, stdout, calls: server.calls }).toEqual({ code: 2, stdout: '', calls: [] })
    expect(actual).toMatch(stderr)
    expect(actual).not.toContain('eyJ')
  })

  test('is a usage error when nobody says which client', async () => {
    const run = await runCli(['token', 'mint'], { env: { AUTHSEC_SERVER: ENV.AUTHSEC_SERVER } })
    expect(run).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--client or AUTHSEC_CLIENT_ID'),
    })
  })

  test('fails rather than print a token that dies too soon', async () => {
    const { run } = mint(['--min-ttl', '2h'])
    expect(await run).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/would live 1h, less than the 2h wanted\nhint: .*--grant/),
    })
  })

  test('says what ends it too soon: the policy where it has just been granted, else its own life', async () => {
    const granted = mint(['--grant', '--min-ttl', '2h'], {}, ADMIN)
    expect((await granted.run).stderr).toMatch(/wanted\nhint: The policy/)
    const short = mint(['--audience', AUDIENCE, '--ttl', '1m', '--min-ttl', '2m'])
    expect((await short.run).stderr).toMatch(/would live 1m, less than the 2m wanted\nhint: .*--ttl, 5m/)
    const cut = mint(['--audience', AUDIENCE, '--min-ttl', '2m'])
    expect((await cut.run).stderr).toMatch(/wanted\nhint: The server lets no call token live longer/)
  })

  test.each([
    { min: '55s', longest: 300, asked: undefined },
    { min: '57s', longest: 300, asked: '62' },
    { min: '298s', longest: 300, asked: '300' },
    { min: '97s', longest: 100, asked: '100' },
    { min: '97s', longest: undefined, asked: '102' },
  ])('asks $asked s of a server of $longest s for $min at least', async ({ min, longest, asked }) => {
    const metadata = { issuer: 'http://127.0.0.1:7468', authsec_call_tokens: { max_ttl_seconds: longest } }
    const { server, run } = mint(['--audience', AUDIENCE, '--min-ttl', min], { [METADATA]: metadata })
    await run
    expect(new URLSearchParams(server.calls.at(-1)?.body).get('ttl_seconds')).toBe(asked ?? null)
  })

  test('tells a failure as one object with --json', async () => {
    const refusal = answer(
      400,
      { error: 'invalid_target', error_description: 'no such resource' },
      { 'x-request-id': 'rq-9' },
    )
    const { run } = mint(['--audience', AUDIENCE, '--json'], { [EXCHANGE]: refusal })
    const { code, stdout, stderr } = await run
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'invalid_target',
        message: 'no such resource',
        hint: expect.stringContaining('authsec policy list'),
        request_id: 'rq-9',
        retryable: false,
      },
    })
  })
})
