import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openShell, type Shell } from './shell.js'

const MINT = ['token', 'mint', '--audience', 'https://billing.example', '--permission', 'billing:read']

let shell: Shell

beforeAll(() => {
  shell = openShell()
})

afterAll(() => shell.close())

describe('authsec dev serve', () => {
  test('says where it is without its secret; the ready file has it, for its owner only', async () => {
    const server = await shell.serve()
    expect(server.ready).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      pid: expect.any(Number),
      tenant_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      client_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user: { id: expect.any(String), email: expect.stringContaining('@') },
      issuer: server.url,
    })
    expect(JSON.parse(readFileSync(server.readyFile, 'utf8'))).toEqual({
      ...server.ready,
      admin_token: expect.any(String),
    })
    expect(statSync(server.readyFile).mode & 0o777).toBe(0o600)
    await server.stop()
  })

  test.each([
    { signal: 'SIGINT' as const, code: 130 },
    { signal: 'SIGTERM' as const, code: 143 },
  ])('stops cleanly at $signal: the port and the state are free, keys and clients are kept', async (row) => {
    const state = path.join(shell.directory, `state-${row.signal}`)
    const first = await shell.serve(['--state', state])
    const minted = await shell.run(MINT, { env: first.env })
    const { code, stdout, stderr } = await first.stop(row.signal)
    expect(code).toBe(row.code)
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(stderr).not.toMatch(/error|warning/i)

    const port = new URL(first.url).port
    const second = await shell.serve(['--state', state, '--port', port])
    expect(second).toMatchObject({ url: first.url, clientId: first.clientId })
    const verified = await shell.run(['token', 'verify', '-', '--audience', 'https://billing.example'], {
      stdin: minted.stdout,
      env: second.env,
    })
    expect(verified.code).toBe(0)
    const stops = await shell.run(['audit', 'search', '--type', 'server.stopped', '--json'], {
      env: second.env,
    })
    expect(JSON.parse(stops.stdout)).toHaveLength(1)
    await second.stop()
  })

  test('writes the profile that the other commands use, and takes it back', async () => {
    const server = await shell.serve(['--state', path.join(shell.directory, 'state-profile')])
    const minted = await shell.run(MINT)
    expect(minted.code).toBe(0)
    // Said once, on standard error, that this profile was chosen.
    expect(minted.stderr).toMatch(/dev/)
    expect((await shell.run(['client', 'list', '--json'])).code).toBe(0)
    await server.stop()
    expect((await shell.run(MINT)).code).not.toBe(0)
    // Neither the profile nor its session is left behind.
    for (const file of ['config.json', 'credentials.json']) {
      expect(readFileSync(path.join(shell.env['AUTHSEC_CONFIG_DIR']!, file), 'utf8')).not.toContain(
        server.url,
      )
    }
  })

  test('exits 7 when the port is in use, and names it', async () => {
    const server = await shell.serve()
    const { port } = new URL(server.url)
    const second = await shell.run(['dev', 'serve', '--ephemeral', '--port', port])
    expect(second).toMatchObject({ code: 7, stdout: '' })
    expect(second.stderr).toMatch(new RegExp(`^authsec: .*${port}.*\\nhint: `))
    await server.stop()
  })

  test('exits 7 when another server holds the state, and names its process', async () => {
    const state = path.join(shell.directory, 'state-locked')
    const server = await shell.serve(['--state', state])
    const second = await shell.run(['dev', 'serve', '--port', '0', '--state', state])
    expect(second).toMatchObject({ code: 7, stdout: '' })
    expect(second.stderr).toContain(String(server.pid))
    // The one that runs goes on.
    expect((await shell.run(MINT, { env: server.env })).code).toBe(0)
    await server.stop()
  })

  test('exits 7 for a state that is not one, and leaves it as it was', async () => {
    const state = path.join(shell.directory, 'state-garbage')
    mkdirSync(state, { mode: 0o700 })
    const database = path.join(state, 'authsec.db')
    const garbage = 'this is not a database'.repeat(100)
    writeFileSync(database, garbage, { mode: 0o600 })
    const { code, stdout, stderr } = await shell.run(['dev', 'serve', '--port', '0', '--state', state])
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' })
    expect(stderr).toMatch(/^authsec: .+\nhint: /)
    expect(readFileSync(database, 'utf8')).toBe(garbage)
  })

  test('goes on after kill -9 with the same keys, and knows every token it gave', async () => {
    const state = path.join(shell.directory, 'state-killed')
    const first = await shell.serve(['--state', state])
    const tokens = await Promise.all([1, 2, 3].map(() => shell.run(MINT, { env: first.env })))
    await first.stop('SIGKILL')

    const second = await shell.serve(['--state', state])
    const log = await shell.run(['audit', 'search', '--type', 'token.exchanged', '--json'], {
      env: second.env,
    })
    for (const { stdout } of tokens) {
      const { jti } = JSON.parse(Buffer.from(stdout.split('.')[1]!, 'base64url').toString('utf8'))
      expect(log.stdout).toContain(jti)
    }
    const verified = await shell.run(['token', 'verify', '-', '--audience', 'https://billing.example'], {
      stdin: tokens[0]!.stdout,
      env: second.env,
    })
    expect(verified.code).toBe(0)
    await second.stop()
  })
})

describe('a command with a server that is not AuthSec', () => {
  test.each([
    { what: 'HTML', status: 200, body: '<html>login</html>', type: 'text/html' },
    { what: 'JSON of the wrong shape', status: 200, body: '[]', type: 'application/json' },
    { what: 'an error', status: 500, body: '{"error":"boom"}', type: 'application/json' },
  ])('exits 21 for $what', async ({ status, body, type }) => {
    const { url, close } = await answerAlways(status, body, type)
    const run = await shell.run(MINT, {
      env: { AUTHSEC_SERVER: url, AUTHSEC_CLIENT_ID: '00000000-0000-4000-8000-000000000000' },
    })
    expect(run).toEqual({ code: 21, stdout: '', stderr: expect.stringMatching(/^authsec: /) })
    close()
  })
})

async function answerAlways(status: number, body: string, type: string) {
  const server: Server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': type }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
