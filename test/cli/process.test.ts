import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, open, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCommand, startCommand } from '../support/built-command.js'
import { TENANT } from '../support/stub-server.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const PATH_OF_CONFIG = join('.config', 'authsec', 'config.json')
const TOKEN = formatUnsignedJwt({ alg: 'ES256' }, { sub: 'user-1' })
const EVENT = {
  id: 'ev',
  type: 'token.exchanged',
  outcome: 'allow',
  occurred_at: '2026-08-21T12:00:00Z',
  details: { filler: 'x'.repeat(4000) },
}

let directory: string
let script: string
let server: Server
let env: Record<string, string>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authsec-built-'))
  script = await buildCommand(directory)
  server = createServer((request, response) => {
    if (request.url?.startsWith('/audit/log/')) {
      response.writeHead(404).end()
      return
    }
    if (request.url?.startsWith('/audit/events/stream')) {
      // Whoever waits for news waits in vain.
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      return
    }
    response.setHeader('content-type', 'application/json')
    const events = Array.from({ length: 800 }, (_, seq) => ({ seq, event: EVENT }))
    response.end(JSON.stringify({ events, next: 799 }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  env = { AUTHSEC_SERVER: `http://127.0.0.1:${port}`, AUTHSEC_TOKEN: 'session', AUTHSEC_TENANT: TENANT }
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(directory, { recursive: true, force: true })
})

describe('the process', () => {
  test('ends with the exit code of the command', async () => {
    const run = await startCommand(script, ['token', 'decode', '-'])
    run.input('garbage')
    expect(await run.ended).toMatchObject({
      code: 16,
      stdout: '',
      stderr: expect.stringContaining('not a JWT'),
    })
  })

  test('keeps nothing in the directory where it is called when HOME is empty', async () => {
    const run = await startCommand(script, ['config', 'path'], { HOME: '', AUTHSEC_CONFIG_DIR: '' })
    expect(await run.ended).toMatchObject({
      code: 0,
      stdout: `${join(userInfo().homedir, PATH_OF_CONFIG)}\n`,
    })
  })

  // As in a container that runs as any user at all; to become one takes the rights of root.
  test.skipIf(process.getuid?.() !== 0)('works for a user whom the system does not know', async () => {
    await chmod(directory, 0o755)
    for (const home of [{}, { HOME: '' }]) {
      const variables = { PATH: process.env['PATH'], ...home }
      const child = spawn(process.execPath, [script, 'config', 'path'], { env: variables, uid: 54_321 })
      const chunks: Buffer[] = []
      child.stdout.on('data', (chunk) => chunks.push(chunk))
      expect(await once(child, 'close')).toEqual([0, null])
      expect(Buffer.concat(chunks).toString()).toBe(`${join('/', PATH_OF_CONFIG)}\n`)
    }
  })

  test('delivers 3 MiB whole to a reader that is slower than it writes', async () => {
    const args = [script, 'audit', 'search', '--limit', '800', '--json']
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    // As much has come as fits, and nobody has taken it: the command waits.
    await once(child.stdout, 'readable')
    expect(child.exitCode).toBeNull()
    const chunks: Buffer[] = []
    for await (const chunk of child.stdout) {
      chunks.push(chunk)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const stdout = Buffer.concat(chunks).toString()
    expect(await closed).toEqual([0, null])
    expect(stdout.length).toBeGreaterThan(3 * 1024 * 1024)
    expect(JSON.parse(stdout)).toHaveLength(800)
  })

  test.each([
    { signal: 'SIGINT', code: 130 },
    { signal: 'SIGTERM', code: 143 },
  ] as const)(
    'is ended by $signal with $code while it follows the log, and says how to go on',
    async ({ signal, code }) => {
      const run = await startCommand(
        script,
        ['audit', 'tail', '--until-match', 'jti=never', '-n', '0', '--for', '1h'],
        env,
      )
      const followed = new Promise<void>((resolve) => {
        server.on('request', ({ url }) => {
          if (url?.includes('/stream')) resolve()
        })
      })
      await followed
      run.signal(signal)
      expect(await run.ended).toMatchObject({
        code,
        stdout: '',
        stderr: expect.stringMatching(/^0 events\ngo on with: authsec audit tail .*--cursor 799\n$/),
      })
    },
  )

  test.skipIf(process.platform === 'win32')(
    'can be ended while it reads a pipe that nobody fills',
    async () => {
      const pipe = join(directory, 'pipe')
      execFileSync('mkfifo', [pipe])
      const run = await startCommand(script, ['policy', 'create', '--file', pipe], env)
      let isOver = false
      void run.ended.then(() => (isOver = true))
      // Opens as soon as the command does.
      const filling = await open(pipe, 'w')
      try {
        // The first asks, and a later one ends it.
        await expect
          .poll(() => {
            run.signal('SIGTERM')
            return isOver
          })
          .toBe(true)
      } finally {
        await filling.close()
      }
      expect((await run.ended).stdout).toBe('')
    },
  )

  test('says nothing of its own where both NO_COLOR and FORCE_COLOR are set', async () => {
    const run = await startCommand(script, ['token', 'decode', '-'], { NO_COLOR: '1', FORCE_COLOR: '1' })
    run.input(TOKEN)
    const { code, stdout, stderr } = await run.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).not.toContain('\u001b')
  })
})
