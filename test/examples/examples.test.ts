import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthsecClient } from '../../src/sdk/index.js'
import { startServer } from '../../src/server/index.js'
import { createVerifier } from '../../src/verify/index.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BILLING = 'https://billing.example'
const APIS = ['protected-api.ts', 'fastify-api.ts', 'hono-api.ts', 'web-api.ts']

let authsec: Awaited<ReturnType<typeof startServer>>
let billing: Awaited<ReturnType<typeof startBilling>>

beforeAll(async () => {
  authsec = await startServer({ port: 0, state: ':memory:' })
  billing = await startBilling(authsec.url)
})

afterAll(async () => {
  await billing?.close()
  await authsec?.close()
})

describe('the programs of the README', () => {
  test.each(['five-lines.ts', 'langchain-tool.ts', 'existing-tools.ts', 'test-kit.ts', ...APIS])(
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
async function startExample(name: string): Promise<{ url: string; stop(): Promise<void> }> {
  const child = await spawnExample(name)
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
async function runExample(name: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = await spawnExample(name)
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
async function spawnExample(name: string): Promise<ChildProcessWithoutNullStreams> {
  const source = await readFile(new URL(name, import.meta.url), 'utf8')
  const { code: program } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  const env = {
    ...process.env,
    AUTHSEC_SERVER: authsec.url,
    AUTHSEC_CLIENT_ID: authsec.clientId,
    BILLING_URL: billing.url,
    PORT: '0',
  }
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd: ROOT, env })
  child.stdin.end(program)
  return child
}
