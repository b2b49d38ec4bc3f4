import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../../support/run-cli.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'
import { ADMIN, answer, CLIENT_ID, stubServer } from '../../../support/stub-server.js'

let cli: ServedCli
let other: string
beforeAll(async () => {
  cli = await serveCli()
  await cli.letAdminDelegate()
  const args = ['client', 'register', 'second', '--type', 'ai_agent', '--agent-type', 'langchain']
  other = (await cli.read(args)).client_id
  cli.server.now += 1000
  await cli.read(['delegation', 'grant', 'second', '--ttl', '1h'])
})
afterAll(() => cli.server.close())

describe('authsec delegation list and show', () => {
  test('tell who may do what until when, and never the token', async () => {
    const list = await cli.run(['delegation', 'list', '--json'])
    expect(JSON.parse(list.stdout)).toMatchObject([
      { client_id: other, client_name: 'second', status: 'active', ttl_seconds: 3600 },
      { client_id: cli.server.clientId, client_name: 'demo-agent', status: 'active' },
    ])
    const show = await cli.run(['delegation', 'show', 'second'])
    expect(show.stdout).toMatch(/^status\tactive$/m)
    expect(show.stdout).toMatch(/^lifetime\t1h$/m)
    for (const { stdout } of [list, show, await cli.run(['delegation', 'show', 'second', '--json'])]) {
      expect(stdout).not.toMatch(/eyJ|token/)
    }
  })

  test('say what a dry run of the revocation would end, and after it that it has ended', async () => {
    const { stops } = await cli.read(['delegation', 'revoke', 'second', '--dry-run'])
    expect(stops).toMatchObject([{ kind: 'delegation', id: other }])
    await cli.read(['delegation', 'revoke', 'second', '--confirm', 'second'])
    expect(await cli.read(['delegation', 'show', 'second'])).toMatchObject({ status: 'revoked' })
    const active = await cli.run(['delegation', 'list', '--active'])
    expect(active.stdout).toMatch(/^[^\n]*demo-agent[^\n]*\n$/)
  })

  test('call one that has run out by that name, although nobody has pulled it', async () => {
    await cli.read(['delegation', 'grant', 'second', '--ttl', '1m'])
    cli.server.now += 60_000
    expect(await cli.read(['delegation', 'show', 'second'])).toMatchObject({ status: 'expired' })
  })

  test('fail for an agent that has none', async () => {
    await cli.read(['client', 'register', 'third', '--type', 'ai_agent', '--agent-type', 'langchain'])
    expect(await cli.run(['delegation', 'show', 'third'])).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringMatching(/third has no delegation\nhint: /),
    })
  })

  test('need a session of an admin', async () => {
    const alone = { env: { AUTHSEC_TOKEN: '' } }
    expect(await cli.run(['delegation', 'list'], alone)).toMatchObject({ code: 4, stdout: '' })
  })
})

describe('authsec delegation list at AuthSec itself', () => {
  const PULL = 'GET /authsec/uflow/sdk/delegation-token'
  const pulled = {
    token: 'secret.base.token',
    expires_at: '2026-08-21T13:00:00Z',
    permissions: ['billing:read'],
    audience: null,
    spiffe_id: 'spiffe://t/a',
  }
  const agents = {
    agents: [
      { id: CLIENT_ID, name: 'one' },
      { id: '1c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10', name: 'two' },
    ],
  }

  test('asks each agent, drops the tokens, and leaves out who has none', async () => {
    const { fetch } = stubServer({
      'GET /authsec/uflow/admin/agents': agents,
      [PULL]: [pulled, answer(404, { error: 'No active delegation token found' })],
    })
    const run = await runCli(['delegation', 'list', '--json'], { env: ADMIN, fetch })
    expect(run.code).toBe(0)
    expect(run.stdout).not.toContain('secret')
    expect(JSON.parse(run.stdout)).toMatchObject([
      { client_id: CLIENT_ID, client_name: 'one', status: 'active' },
    ])
  })

  test('fails when one cannot be asked, instead of leaving it out', async () => {
    const { fetch } = stubServer({
      'GET /authsec/uflow/admin/agents': agents,
      [PULL]: [pulled, answer(500, { error: 'Failed to connect to tenant database' })],
    })
    expect(await runCli(['delegation', 'list'], { env: ADMIN, fetch })).toMatchObject({
      code: 21,
      stdout: '',
    })
  })
})
