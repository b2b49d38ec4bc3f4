import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthsecClient } from '../../src/sdk/index.js'
import { initServer, type SharedServer, startSharedServer } from '../../src/server/index.js'
import { makeDirectory, type RunOptions, runCli } from '../support/run-cli.js'

const ISSUER = 'https://authsec.example'
const BILLING = 'https://billing.example'
const ADMIN = { email: 'ada@team.example', password: 'correct horse battery' }
const KEK = new Uint8Array(32).fill(7)

let place: string
let server: SharedServer
let configuration: string
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-team-clients-'))
  const state = join(place, 'state')
  await initServer({ state, kek: KEK, issuer: ISSUER, admin: ADMIN })
  server = await startSharedServer({
    state,
    kek: KEK,
    issuer: ISSUER,
    port: 0,
    auditHighWater: join(place, 'mark'),
  })
  configuration = join(place, 'config')
  const login = ['login', '--server', server.url, '--email', ADMIN.email, '--password-stdin']
  expect(await run(login, { stdin: ADMIN.password })).toMatchObject({ code: 0 })
  await read(['resource', 'create', BILLING, '--permission', 'admin:access'])
  const reach = ['--permission', 'admin:access', '--resource', BILLING]
  await read(['policy', 'create', '--role', 'admin', '--agent-type', 'payer', '--max-ttl', '1h', ...reach])
})
afterAll(async () => {
  await server.close()
  await rm(place, { recursive: true })
})

const run = (args: readonly string[], options: RunOptions = {}) =>
  runCli(args, {
    fetch: globalThis.fetch,
    clock: { now: Date.now },
    ...options,
    env: { AUTHSEC_CONFIG_DIR: configuration, ...options.env },
  })
/** As a proxy in front of the server would: no name leads there. */
const reachIssuer: typeof fetch = (input, init) => {
  const request = new Request(input, init)
  request.headers.set('host', new URL(ISSUER).host)
  return server.fetch(request)
}
const read = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await run([...args, '--json'])
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

describe("the clients of a team's server", () => {
  test('are served by an admin, who mints for them with the session', async () => {
    const { client_id } = await read(['client', 'register', 'payer-bot', '--agent-type', 'payer'])
    await read(['delegation', 'grant', 'payer-bot'])
    const base = await read(['token', 'mint', '--client', 'payer-bot'])
    expect(decodeJwt(base.token)['client_id']).toBe(client_id)
    const call = await read(['token', 'mint', '--client', 'payer-bot', '--audience', BILLING])
    expect(decodeJwt(call.token)).toMatchObject({
      iss: ISSUER,
      aud: BILLING,
      client_id,
      authsec_grant: 'standing',
    })
    const { sub } = decodeJwt(call.token)
    const [{ event }] = await read(['audit', 'search', '--type', 'token.exchanged', '--limit', '1'])
    expect(event).toMatchObject({ actor: { type: 'user', id: sub }, client: client_id, outcome: 'allow' })
  })

  test('are lent to a program for as long as it runs', async () => {
    await read(['client', 'register', 'lent-bot', '--agent-type', 'payer'])
    await read(['delegation', 'grant', 'lent-bot'])
    const args = ['exec', '--client', 'lent-bot', '--audience', BILLING, '--', 'true']
    expect(await run(args)).toEqual({ code: 0, stdout: '', stderr: '' })
    const [{ event }] = await read(['audit', 'search', '--type', 'token.revoked', '--limit', '1'])
    expect(event).toMatchObject({ outcome: 'allow', details: { kind: 'call' } })
  })

  test('are registered with a warning that they cannot prove themselves, and how they can', async () => {
    const { stderr } = await run(['client', 'register', 'warned', '--agent-type', 'payer'])
    expect(stderr).toMatch(/^warning: the client cannot prove who it is yet.* client update ID --jwks FILE/m)
  })

  test('prove themselves by a key that an admin gives them, and pull and exchange alone', async () => {
    const { client_id } = await read(['client', 'register', 'keyed', '--agent-type', 'payer'])
    await read(['delegation', 'grant', 'keyed'])
    const [secret, open] = [join(place, 'key.jwk'), join(place, 'jwks.json')]
    await writeFile(open, (await run(['keys', 'generate', '--out', secret])).stdout)

    expect(await run(['client', 'update', 'keyed', '--jwks', secret])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/key\.jwk.* is not public/),
    })
    const pem = join(place, 'key.pem')
    await writeFile(pem, '-----BEGIN PUBLIC KEY-----\n')
    expect(await run(['client', 'update', 'keyed', '--jwks', pem])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/key\.pem.* is not JSON\nhint: .* authsec keys jwks KEY > jwks\.json/),
    })
    const updated = await read(['client', 'update', 'keyed', '--jwks', open])
    expect(updated).toMatchObject({ client_id, token_endpoint_auth_method: 'private_key_jwt' })
    expect(JSON.stringify(updated)).not.toContain('"keys"')

    const client = createAuthsecClient({
      serverUrl: ISSUER,
      clientId: client_id,
      credentials: { privateKeyJwt: await readFile(secret, 'utf8') },
      fetch: reachIssuer,
    })
    const token = await client.getDelegationToken({ audience: BILLING })
    expect(decodeJwt(token.reveal())).toMatchObject({ iss: ISSUER, aud: BILLING, client_id })
  })

  test('get nothing without a session', async () => {
    const { token } = await read(['token', 'mint', '--client', 'payer-bot'])
    const { client_id } = await read(['client', 'show', 'payer-bot'])
    const args = ['token', 'exchange', '--client', client_id, '--audience', BILLING, '--server', server.url]
    const env = { AUTHSEC_CONFIG_DIR: await makeDirectory() }
    expect(await run([...args, '--subject', '-'], { stdin: token, env })).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('authsec login'),
    })
  })
})
