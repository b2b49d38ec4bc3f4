import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthsecClient, type DelegationToken } from '../../src/sdk/index.js'
import { DEV_SEED, startServer } from '../../src/server/index.js'
import { createVerifier } from '../../src/verify/index.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BILLING = 'https://billing.example'
const BOB = { email: 'bob@authsec.test', password: 'correct horse battery staple' }
const APIS = ['protected-api.ts', 'fastify-api.ts', 'hono-api.ts', 'web-api.ts']

let authsec: Awaited<ReturnType<typeof startServer>>
let billing: Awaited<ReturnType<typeof startBilling>>

beforeAll(async () => {
  const policies = DEV_SEED.policies.map((policy) => ({
    ...policy,
    allowedPermissions: [...policy.allowedPermissions, 'billing:refund'],
  }))
  authsec = await startServer({
    port: 0,
    state: ':memory:',
    seed: { ...DEV_SEED, policies },
    passwords: { [BOB.email]: BOB.password },
    ciba: 'auto-approve',
  })
  billing = await startBilling(authsec.url)
})

afterAll(async () => {
  await billing?.close()
  await authsec?.close()
})

describe('the programs of the README', () => {
  const programs = ['five-lines.ts', 'langchain-tool.ts', 'existing-tools.ts', 'test-kit.ts', ...APIS]
  test.each([...programs, 'approved-refund.ts', 'interrupted-refund.ts', 'one-time-api.ts'])(
    '%s stands there as it runs',
    async (name) => {
      const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
      const program = await readFile(new URL(name, import.meta.url), 'utf8')
      expect(readme).toContain(`\`\`\`ts\n${program}\`\`\`\n`)
    },
  )

  test('five lines get a token and an API accepts it', async () => {
    const run = await runExample('five-lines.ts')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain(`for: '${authsec.user.id}'`)
    expect(run.stdout).toContain(`by: '${authsec.clientId}'`)
  })

  test('a LangChain tool that existed gets one as well', async () => {
    const run = await runExample('existing-tools.ts')
    expect(run).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('list_bills') })
  })

  test('three tools of an agent are secured with a diff of at most three lines each', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const [, diff = ''] = /```diff\n(.*?)```\n/s.exec(readme) ?? []
    const lines = diff.split('\n').slice(0, -1)
    const secured = lines.filter((line) => !line.startsWith('-')).map((line) => line.slice(1))
    const program = await readFile(new URL('three-tools.ts', import.meta.url), 'utf8')
    expect(`${secured.join('\n')}\n`).toBe(program)
    const changed = lines.filter((line) => /^[+-]/.test(line))
    const tools = diff.split(/^ const (?=.* = tool\()/m).slice(1)
    expect(tools).toHaveLength(3)
    for (const text of tools) {
      const [, name = ''] = /name: '(\w+)'/.exec(text) ?? []
      const inside = text.slice(0, text.indexOf('\n )')).match(/^[+-]/gm) ?? []
      const about = changed.filter((line) => line.includes(`${name}:`))
      expect(about).toHaveLength(1)
      expect(inside.length + about.length).toBeLessThanOrEqual(3)
    }
    const run = await runExample('three-tools.ts')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    for (const tool of ['get_bill', 'list_bills', 'get_plan']) {
      const bill = { for: authsec.user.id, by: authsec.clientId, tool }
      expect(run.stdout).toContain(`${tool} ${JSON.stringify(bill)}`)
    }
  })

  test.each([
    { name: 'approved-refund.ts', says: 'refund done billing:refund\nsuccess' },
    { name: 'interrupted-refund.ts', says: 'waiting for an answer: Refund 120.00 EUR?\nrefund' },
  ])('$name refunds when the user for whom the run acts has approved', async ({ name, says }) => {
    const { url, stop } = await startExample('protected-api.ts')
    try {
      const login = await fetch(`${authsec.url}/authsec/uflow/auth/admin/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(BOB),
      })
      const { token } = (await login.json()) as { token: string }
      const run = await runExample(name, { BILLING_URL: url, USER_TOKEN: token })
      expect(run).toMatchObject({ code: 0, stderr: '' })
      const refunded = JSON.stringify({ refunded: { invoice: 'in_1', amount: '120.00' } })
      expect(run.stdout).toBe(`${says} ${refunded}\n`)
    } finally {
      await stop()
    }
  })

  test('the test kit does what it says', async () => {
    expect(await runExample('test-kit.ts')).toMatchObject({ code: 0, stderr: '' })
  })

  test('a LangChain tool gets one of its own', async () => {
    const run = await runExample('langchain-tool.ts')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const bill = { for: authsec.user.id, by: authsec.clientId, tool: 'get_bill' }
    expect(run.stdout).toBe(`success ${JSON.stringify(bill)}
`)
  })
})

describe('the APIs of the README', () => {
  test.each(APIS)('%s lets an agent in with its token, and nobody without one', async (name) => {
    const { url, stop } = await startExample(name)
    const client = createAuthsecClient({ serverUrl: authsec.url, clientId: authsec.clientId })
    try {
      const token = await client.getDelegationToken({ audience: BILLING, permissions: ['billing:read'] })
      const accepted = await fetch(`${url}/bill`, { headers: { authorization: token.authorization() } })
      expect(await accepted.json()).toMatchObject({ for: authsec.user.id, by: authsec.clientId })
      const refused = await fetch(`${url}/bill`)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toBe(
        `Bearer resource_metadata="${BILLING}/.well-known/oauth-protected-resource"`,
      )
    } finally {
      await client.close()
      await stop()
    }
  })

  test('one-time-api.ts serves a token once, asks whether one is alive, and tells of each use', async () => {
    const admin = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${authsec.adminToken}`, 'content-type': 'application/json' }
      return fetch(authsec.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    }
    const permissions = ['billing:read', 'billing:refund']
    await admin('DELETE', `/admin/resources/${encodeURIComponent(BILLING)}`)
    const registered = await admin('POST', '/oauth/register', {
      client_name: 'billing',
      scope: 'billing:read',
    })
    const { client_id, client_secret } = (await registered.json()) as Record<string, string>
    await admin('POST', '/admin/resources', { uri: BILLING, permissions, client_id })
    const env = { BILLING_CLIENT_ID: client_id!, BILLING_SECRET: client_secret! }
    const { url, stop } = await startExample('one-time-api.ts', env)
    const { email, password } = BOB
    const login = await admin('POST', '/authsec/uflow/auth/admin/login', { email, password })
    const { token: session } = (await login.json()) as { token: string }
    const client = createAuthsecClient({ serverUrl: authsec.url, clientId: authsec.clientId })
    const post = async (path: string, token: DelegationToken) => {
      const headers = { authorization: token.authorization() }
      const response = await fetch(url + path, { method: 'POST', headers })
      return [response.status, ((await response.json()) as { code?: string }).code]
    }
    try {
      const read = { audience: BILLING, permissions: ['billing:read'] }
      const metadata = await fetch(`${url}/.well-known/oauth-protected-resource`)
      expect(await metadata.json()).toMatchObject({ resource: BILLING, authorization_servers: [authsec.url] })

      const once = await client.getDelegationToken({ ...read, oneTime: true })
      expect(await post('/once', once)).toEqual([200, undefined])
      expect(await post('/once', once)).toEqual([403, 'replayed'])

      const refund = { audience: BILLING, permissions: ['billing:refund'], subject: client.subject(session) }
      const token = await client.getDelegationToken(refund)
      expect(await post('/refunds', token)).toEqual([200, undefined])
      await expect
        .poll(async () => (await admin('GET', '/audit/events?filter=type=token.used')).text())
        .toContain(token.jti)
      const form = new URLSearchParams({ token: token.reveal(), client_id: authsec.clientId })
      await fetch(`${authsec.url}/oauth/revoke`, { method: 'POST', body: form })
      expect(await post('/refunds', token)).toEqual([401, 'token_inactive'])
    } finally {
      await client.close()
      await stop()
    }
  })

  test.each(['five-lines.ts', 'langchain-tool.ts', 'existing-tools.ts', 'three-tools.ts'])(
    'protected-api.ts serves what %s asks for',
    async (name) => {
      const { url, stop } = await startExample('protected-api.ts')
      try {
        const run = await runExample(name, { BILLING_URL: url })
        expect(run).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('49.00 EUR') })
      } finally {
        await stop()
      }
    },
  )

  test('protected-api.ts refunds exactly what the agent has asked for', async () => {
    const { url, stop } = await startExample('protected-api.ts')
    const client = createAuthsecClient({ serverUrl: authsec.url, clientId: authsec.clientId })
    try {
      const call = { invoice: 'in_1', amount: '10.00' }
      const token = await client.getDelegationToken({
        audience: BILLING,
        tool: 'refund',
        binding: 'call',
        call,
      })
      const refund = (body: object) =>
        fetch(`${url}/refunds`, {
          method: 'POST',
          headers: { authorization: token.authorization(), 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      const changed = await refund({ ...call, amount: '90.00' })
      expect(changed.status).toBe(403)
      expect(await changed.json()).toMatchObject({ code: 'call_mismatch' })
      const widened = await refund({ ...call, account: 'mine' })
      expect(await widened.json()).toMatchObject({ code: 'field_unbound' })
      expect(await (await refund({ ...call, note: 'broken lamp' })).json()).toEqual({ refunded: call })
    } finally {
      await client.close()
      await stop()
    }
  })
})

/** What a program finds in its environment besides. */
type Variables = Readonly<Record<string, string>>

/** An API that answers with what it knows of its caller. */
async function startBilling(serverUrl: string): Promise<{ url: string; close(): Promise<void> }> {
  const verifier = createVerifier({ serverUrl, audience: BILLING })
  const server = createServer(async (request, response) => {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    try {
      const { user, actor, tool } = await verifier.verify(token, { permissions: ['billing:read'] })
      response.end(JSON.stringify({ for: user.id, by: actor.clientId, tool }))
    } catch (error) {
      response.writeHead(401).end(JSON.stringify({ error: String(error) }))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return { url: `http://127.0.0.1:${port}`, close }
}

/** Starts a program that listens and says where; ends it by `stop`. */
async function startExample(
  name: string,
  more: Variables = {},
): Promise<{ url: string; stop(): Promise<void> }> {
  const child = await spawnExample(name, more)
  const [said] = await once(child.stdout, 'data')
  const port = /port: (\d+)/.exec(String(said))?.[1]
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill()
      await once(child, 'close')
    },
  }
}

/** Runs a program to its end. */
async function runExample(
  name: string,
  more: Variables = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = await spawnExample(name, more)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, ...output }
}

/** Starts a program as a user of the package would: as a process of its own, against the built package. */
async function spawnExample(name: string, more: Variables): Promise<ChildProcessWithoutNullStreams> {
  const source = await readFile(new URL(name, import.meta.url), 'utf8')
  const { code: program } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  const env = {
    ...process.env,
    AUTHSEC_SERVER: authsec.url,
    AUTHSEC_CLIENT_ID: authsec.clientId,
    BILLING_URL: billing.url,
    PORT: '0',
    ...more,
  }
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd: ROOT, env })
  child.stdin.end(program)
  return child
}
