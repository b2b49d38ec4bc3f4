import { chmod, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createMemoryKeychain } from '../../support/memory-keychain.js'
import { makeDirectory, type RunOptions, runCli } from '../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../support/running-server.js'

interface Finding {
  name: string
  outcome: string
  detail: string
  hint?: string
}

const SECRET = 'planted-secret-session'

let server: TestServer
let directory: string
beforeAll(async () => {
  server = await startTestServer()
})
beforeEach(async () => {
  directory = await makeDirectory()
})
afterAll(() => server.close())

async function doctor(args: readonly string[] = [], options: RunOptions = {}) {
  const run = await runCli(['doctor', '--json', ...args], {
    fetch: globalThis.fetch,
    clock: { now: Date.now },
    ...options,
    env: { AUTHSEC_CONFIG_DIR: directory, AUTHSEC_SERVER: server.url, ...options.env },
  })
  const findings: Finding[] = JSON.parse(run.stdout)
  const find = (name: string) => findings.find((finding) => finding.name === name)
  return { ...run, findings, find }
}

/** The real server, but for its keys. */
function withKeys(answer: () => Response): typeof fetch {
  return async (input, init) => (String(input).endsWith('/oauth/jwks') ? answer() : fetch(input, init))
}

function endless(): ReadableStream<Uint8Array> {
  const megabyte = new Uint8Array(1024 * 1024).fill(0x20)
  return new ReadableStream({ pull: (controller) => controller.enqueue(megabyte) })
}

/** A command of this name in a folder of its own. */
async function makeCommand(name: string, text = '#!/bin/sh\n'): Promise<string> {
  const folder = join(directory, name)
  await mkdir(folder)
  await writeFile(join(folder, 'authsec'), text)
  await chmod(join(folder, 'authsec'), 0o755)
  return folder
}

describe('authsec doctor', () => {
  test('finds nothing wrong with a server that runs', async () => {
    const { code, findings, find } = await doctor([], { env: { AUTHSEC_TOKEN: server.adminToken } })
    expect(code).toBe(0)
    expect(findings.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(find('server')).toMatchObject({
      outcome: 'ok',
      detail: expect.stringMatching(/answered in \d+ ms/),
    })
    expect(find('clock')).toMatchObject({ outcome: 'ok' })
    expect(find('generation')?.detail).toBe('the server is of generation A')
    expect(find('keys')?.detail).toMatch(/^\d+ published for call tokens: /)
    expect(find('settings')?.detail).toContain('(AUTHSEC_SERVER)')
  })

  test('measures how far the clocks are apart', async () => {
    const { code, find } = await doctor([], { clock: { now: () => Date.now() - 90_000 } })
    expect(code).toBe(0)
    expect(find('clock')).toMatchObject({
      outcome: 'warning',
      detail: expect.stringMatching(/^the clock of the server is (?:89|90|91) s ahead of this one$/),
    })
  })

  test('fails where something answers that is no AuthSec server', async () => {
    const other = createServer((_, response) => response.writeHead(404).end('<h1>not here</h1>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = other.address() as AddressInfo
      const run = await doctor(['--server', `http://127.0.0.1:${port}`])
      expect(run.code).toBe(21)
      expect(run.find('keys')).toMatchObject({ outcome: 'failed', hint: 'Check the address.' })
    } finally {
      other.close()
    }
  })

  test('ends with 21 at a server that answers without an end', async () => {
    const { find, code } = await doctor([], {
      fetch: withKeys(() => new Response(endless(), { headers: { 'content-type': 'application/json' } })),
    })
    expect(code).toBe(21)
    expect(find('keys')).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('larger than') })
  })

  test.each(['{}', '{"error":"asleep"}', '[]'])('takes %s for no proof of anything', async (body) => {
    const answering: typeof fetch = async () =>
      new Response(body, { headers: { 'content-type': 'application/json' } })
    const env = { AUTHSEC_TOKEN: SECRET }
    const { code, find } = await doctor([], { fetch: answering, env })
    expect(code).toBe(21)
    expect(find('generation')).toMatchObject({ outcome: 'warning' })
    expect(find('session')).toMatchObject({ outcome: 'failed' })
  })

  test('only warns of an AuthSec server without keys', async () => {
    const answers = [Response.json({ keys: [] }), new Response('404 page not found', { status: 404 })]
    for (const answer of answers) {
      const run = await doctor([], { fetch: withKeys(() => answer) })
      expect(run.code).toBe(0)
      expect(run.find('keys')).toMatchObject({ outcome: 'warning' })
    }
  })

  test.each([
    { why: 'nobody listens', env: { AUTHSEC_SERVER: 'http://127.0.0.1:9' }, name: 'server', code: 20 },
    { why: 'no server is given', env: { AUTHSEC_SERVER: '' }, name: 'settings', code: 2 },
    { why: 'the session is stale', env: { AUTHSEC_TOKEN: SECRET }, name: 'session', code: 4 },
  ])('ends with $code when $why, after all the other checks', async ({ env, name, code }) => {
    const run = await doctor([], { env })
    expect(run.code).toBe(code)
    expect(run.find(name)).toMatchObject({ outcome: 'failed' })
    expect(run.findings.length).toBeGreaterThan(8)
  })

  test('notices a profile that takes the server for another generation', async () => {
    const profiles = { here: { server_url: server.url, generation: 'B' } }
    await writeFile(join(directory, 'config.json'), JSON.stringify({ profiles }))
    expect((await doctor()).find('generation')).toMatchObject({
      outcome: 'warning',
      detail: 'the server is of generation A, the profile says B',
      hint: expect.stringContaining('authsec config set generation A'),
    })
  })

  test('notices another authsec that comes first, or later', async () => {
    const [one, two] = [await makeCommand('one'), await makeCommand('two')]
    const { find } = await doctor([], { env: { PATH: `${one}:${two}` } })
    expect(find('command')).toMatchObject({
      outcome: 'warning',
      detail: `"${one}/authsec" is another authsec, and comes first`,
    })
  })

  test.each([
    { what: 'pnpm', line: (script: string) => `  exec node  "$basedir/${script}" "$@"\n` },
    {
      what: 'npm on Windows',
      line: (script: string) => `"%_prog%"  "%dp0%\\${script.replaceAll('/', '\\')}" %*\r\n`,
    },
    {
      what: 'pnpm on Windows',
      line: (script: string) => `node  "%~dp0\\${script.replaceAll('/', '\\')}" %*\r\n`,
    },
  ])('knows itself behind the script that $what makes for a command', async ({ what, line }) => {
    const script = relative(join(await realpath(directory), what), await realpath(process.argv[1]!))
    const folder = await makeCommand(what, `#!/bin/sh\n${line(script)}`)
    expect((await doctor([], { env: { PATH: folder } })).find('command')).toMatchObject({
      outcome: 'ok',
      detail: `authsec is "${folder}/authsec"`,
    })
  })

  test("leaves the file of AuthSec's SDKs alone, and warns when others can read its token", async () => {
    const file = join(directory, '.authsec.json')
    await writeFile(file, JSON.stringify({ base_url: 'x', access_token: SECRET }), { mode: 0o644 })
    const { find, stdout } = await doctor()
    expect(find('other tools')).toMatchObject({
      outcome: 'warning',
      detail: expect.stringContaining('others can read its "access_token"'),
    })
    expect(stdout).not.toContain(SECRET)
    await chmod(file, 0o600)
    expect((await doctor()).find('other tools')).toMatchObject({ outcome: 'ok' })
  })

  test('fails when others can read the sessions', async () => {
    await writeFile(join(directory, 'credentials.json'), '{}', { mode: 0o644 })
    const { code, find } = await doctor()
    expect(code).toBe(2)
    expect(find('credentials')).toMatchObject({
      outcome: 'failed',
      hint: expect.stringContaining('chmod 600'),
    })
  })

  test('says whether a keychain answers', async () => {
    expect((await doctor([], { keychain: createMemoryKeychain() })).find('keychain')).toMatchObject({
      outcome: 'ok',
    })
    expect((await doctor()).find('keychain')).toMatchObject({ outcome: 'skipped' })
  })

  test('writes a report without a secret, for its owner only', async () => {
    const session = { access_token: SECRET, server_url: server.url }
    await writeFile(join(directory, 'credentials.json'), JSON.stringify({ here: session }), { mode: 0o600 })
    const file = join(directory, 'report.json')
    const env = { AUTHSEC_TOKEN: SECRET, AUTHSEC_KEK: `${SECRET}-kek` }
    const run = await doctor(['--bundle', file], { env })
    const text = await readFile(file, 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      variables: expect.arrayContaining(['AUTHSEC_TOKEN', 'AUTHSEC_KEK']),
    })
    expect(`${text}${run.stdout}${run.stderr}`).not.toContain(SECRET)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test('prints a line for each check, and what to do', async () => {
    const run = await runCli(['doctor'], { env: { AUTHSEC_CONFIG_DIR: directory } })
    expect(run.code).toBe(2)
    expect(run.stdout).toMatch(/^ok {6} version {6}authsec \d/)
    expect(run.stdout).toMatch(
      /^failed {3}settings {5}no server is given\n {22}Start one with authsec dev serve/m,
    )
    expect(run.stderr).toMatch(/^authsec: 1 of \d+ checks failed\nhint: Start one/)
  })
})
