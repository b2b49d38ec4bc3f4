import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { findMissing } from '../support/server-commands.js'
import { CLIENT_ID, TENANT } from '../support/stub-server.js'
import { signCall } from '../support/token-issuer.js'

const MEGABYTE = Buffer.alloc(1024 * 1024, 0x20)
const SESSION = 'session-of-an-admin'
const TOKEN = signCall()
const POLICY = '3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22'

const COMMANDS: readonly (readonly string[])[] = [
  ['token', 'mint'],
  ['token', 'mint', '--audience', 'https://billing.example', '--permission', 'billing:read'],
  ['client', 'list'],
  ['client', 'register', 'bot', '--type', 'ai_agent', '--agent-type', 'langchain'],
  ['policy', 'list'],
  'policy create --role admin --agent-type langchain --permission billing:read --resource https://billing.example --max-ttl 1h'.split(
    ' ',
  ),
  ['resource', 'create', 'https://billing.example', '--permission', 'billing:read'],
  ['client', 'show', CLIENT_ID],
  ['client', 'register', 'app', '--dynamic'],
  ['client', 'update', CLIENT_ID, '--tag', 'x'],
  ['client', 'activate', CLIENT_ID],
  ['client', 'deactivate', CLIENT_ID],
  ['client', 'delete', CLIENT_ID, '--confirm', 'bot'],
  ['client', 'delete', CLIENT_ID, '--dry-run'],
  ['client', 'rotate', CLIENT_ID, '--overlap', '1h'],
  ['policy', 'show', POLICY],
  ['policy', 'update', POLICY, '--max-ttl', '1h'],
  ['policy', 'delete', POLICY, '--confirm', POLICY],
  ['resource', 'list'],
  ['resource', 'show', 'https://billing.example'],
  ['resource', 'delete', 'https://billing.example', '--confirm', 'https://billing.example'],
  ['delegation', 'grant', CLIENT_ID],
  ['delegation', 'list'],
  ['delegation', 'show', CLIENT_ID],
  ['delegation', 'revoke', CLIENT_ID, '--confirm', 'bot'],
  ['token', 'introspect', '-'],
  ['token', 'revoke', '--jti', 'j1'],
  ['token', 'revoke', '--client', CLIENT_ID, '--confirm', 'bot'],
  ['token', 'exchange', '--subject', '-', '--audience', 'https://billing.example'],
  ['audit', 'search'],
  ['audit', 'tail', '--no-follow'],
  ['audit', 'tail'],
  ['audit', 'show', 'evt-1'],
  ['audit', 'trace', 'jti-1'],
  ['audit', 'export'],
  ['audit', 'verify', '--remote'],
  ['audit', 'verify', '--remote', '--event', 'evt-1'],
  ['audit', 'checkpoint'],
  ['keys', 'list'],
  ['keys', 'prepare', '--purpose', 'call'],
  ['keys', 'rotate', '--purpose', 'call', '--confirm', 'call'],
  ['keys', 'activate', 'kid-1'],
  ['keys', 'taint', 'kid-1', '--confirm', 'kid-1'],
  ['keys', 'revoke', 'kid-1', '--confirm', 'kid-1'],
  ['user', 'list'],
  ['user', 'create', 'carol@authsec.test', '--role', 'member'],
  ['user', 'update', 'bob@authsec.test', '--role', 'member'],
  ['user', 'activate', 'bob@authsec.test'],
  ['user', 'deactivate', 'bob@authsec.test'],
  ['role', 'list'],
  ['role', 'create', 'shipper', '--permission', 'shipping:read'],
  ['role', 'update', 'shipper', '--permission', 'shipping:read'],
  ['trust', 'list'],
  ['trust', 'show', 'deploy'],
  ['trust', 'delete', 'deploy', '--confirm', 'deploy'],
  `trust create deploy --client ${CLIENT_ID} --issuer https://ci.example --subject repo:acme/*`.split(' '),
  ['ci', 'oidc', '--identity', '-', '--audience', 'https://billing.example'],
  ['ci', 'oidc', '--identity', '-', '--explain'],
  ['exec', '--audience', 'https://billing.example', '--', 'node', '-e', '0'],
  ['login', '--generation', 'A'],
  ['login', '--generation', 'A', '--non-interactive'],
  ['login', '--generation', 'A', '--email', 'a@b.test', '--password-stdin'],
  ['whoami'],
  ['token', 'verify', '-'],
  ['token', 'verify', '-', '--online'],
]

/** What is measured by itself, below. */
const APART: readonly (readonly string[])[] = [['logout'], ['doctor']]

test('every command that can be told a server is among them', async () => {
  expect(await findMissing([...COMMANDS, ...APART])).toEqual([])
})

type Respond = (response: ServerResponse, request: IncomingMessage, body: string) => void

interface Answer {
  why: string
  respond: Respond
  /** What a command says about it. */
  says: RegExp
  /** The same, of what reads the text of the log; as `says` where nothing is given. */
  saysOfLog?: RegExp
  /** The same, of what reads the metadata that keys are found by; as `says` where nothing is given. */
  saysOfMetadata?: RegExp
}

/** What a server that is not AuthSec, or is out of order, may answer to everything. */
const ANSWERS: readonly Answer[] = [
  {
    why: 'a page',
    respond: (response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>'),
    says: /answered 200 with text\/html instead of JSON/,
    saysOfLog: /answered 200 with text\/html instead of text\/plain/,
    saysOfMetadata: /answered no JSON to \/\.well-known\//,
  },
  {
    why: 'words',
    respond: (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('all is well\n'),
    says: /answered 200 with text\/plain instead of JSON/,
    saysOfLog: /the checkpoint has no signature|with text\/plain instead of application\/json/,
    saysOfMetadata: /answered no JSON to \/\.well-known\//,
  },
  {
    why: 'a page of a gateway',
    respond: (response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>'),
    says: /answered 502 with text\/html instead of JSON/,
    saysOfLog: /the server answered 502 without saying why/,
    saysOfMetadata: /answered 502 to \/\.well-known\//,
  },
  {
    why: 'a redirect to somewhere else',
    respond: (response) => response.writeHead(302, { location: 'http://127.0.0.1:9/steal' }).end('{}'),
    says: /with a redirect, which is refused/,
  },
  {
    why: 'nothing',
    respond: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(),
    says: /answered 200 with application\/json that is not valid/,
    saysOfLog: /with application\/json instead of text\/plain/,
    saysOfMetadata: /answered no JSON to \/\.well-known\//,
  },
  {
    why: 'half of an answer',
    respond: (response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"clients":['),
    says: /answered 200 with application\/json that is not valid/,
    saysOfLog: /with application\/json instead of text\/plain/,
    saysOfMetadata: /answered no JSON to \/\.well-known\//,
  },
  {
    why: 'JSON of another shape',
    respond: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('"hello"'),
    says: /unexpected answer of the server: the [a-z ]+ (?:is not an (?:object|array)|has no )/,
    saysOfLog: /with application\/json instead of text\/plain/,
    saysOfMetadata: /answered no JSON to \/\.well-known\//,
  },
  {
    why: 'without an end',
    respond(response) {
      response.writeHead(200, { 'content-type': 'application/json' })
      const write = () => {
        while (!response.destroyed && response.write(MEGABYTE));
      }
      response.on('drain', write)
      write()
    },
    says: /larger than/,
  },
  {
    why: 'with characters that move the cursor',
    respond: (response) =>
      response
        .writeHead(500, { 'content-type': 'application/json' })
        .end('{"error":"\\u001b[2Jall is well\\u202e"}'),
    says: /^authsec: \\u001b\[2Jall is well\\u202e\n/,
    saysOfMetadata: /answered 500 to \/\.well-known\//,
  },
  {
    why: 'success and an error in one',
    respond: (response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"error":"It went wrong"}'),
    says: /^authsec: it went wrong\n/,
    saysOfMetadata: /answered an error to \/\.well-known\/.*: It went wrong\n/,
  },
  {
    why: 'with all that it was told',
    respond: (response, request, body) =>
      response
        .writeHead(500, { 'content-type': 'application/json', 'x-request-id': repeat(request, body) })
        .end(JSON.stringify({ error: `no: ${repeat(request, body)}`, details: repeat(request, body) })),
    says: /^authsec: no: /,
    saysOfMetadata: /answered 500 to \/\.well-known\//,
  },
]

function patternFor([group, verb]: readonly string[], answer: Answer): RegExp {
  const { says, saysOfLog = says, saysOfMetadata = says } = answer
  if (group === 'audit' && (verb === 'verify' || verb === 'checkpoint')) return saysOfLog
  return group === 'token' && verb === 'verify' ? saysOfMetadata : says
}

function repeat({ headers, url }: IncomingMessage, body: string): string {
  return `${headers.authorization} ${url} ${body} ${[...new URLSearchParams(body).values()].join(' ')}`
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serveAlways(respond: Respond) {
  let requests = 0
  const server = createServer(async (request, response) => {
    requests++
    const { ok, body } = await text(request).then(
      (body) => ({ ok: true, body }),
      () => ({ ok: false, body: '' }),
    )
    if (ok) respond(response, request, body)
  })
  servers.push(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, count: () => requests }
}

const run = (args: readonly string[], url: string, env: Readonly<Record<string, string>> = {}) =>
  runCli(args, {
    env: {
      AUTHSEC_SERVER: url,
      AUTHSEC_TENANT: TENANT,
      AUTHSEC_CLIENT_ID: CLIENT_ID,
      AUTHSEC_TOKEN: SESSION,
      ...env,
    },
    stdin: TOKEN,
    clock: { now: Date.now },
    fetch: globalThis.fetch,
  })

function expectClean(printed: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not reach a terminal.
  expect(printed).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f\u202e]/)
  for (const secret of [SESSION, TOKEN]) expect(printed).not.toContain(secret)
}

function hangUp(response: ServerResponse): void {
  response.destroy()
}

describe.each(ANSWERS)('a server that answers $why', (answer) => {
  test.each(COMMANDS.map((args) => [args.join(' '), args] as const))(
    'ends authsec %s with 21',
    async (_name, args) => {
      const server = await serveAlways(answer.respond)
      const { code, stdout, stderr } = await run(args, server.url)
      const says = patternFor(args, answer)
      expect({ code, stdout, stderr }).toEqual({ code: 21, stdout: '', stderr: expect.stringMatching(says) })
      expect(stderr).toMatch(/^authsec: /)
      expectClean(stderr)
      expect(server.count()).toBeLessThanOrEqual(3)
    },
  )
})

describe('a server that hangs up', () => {
  test.each(COMMANDS.map((args) => [args.join(' '), args] as const))(
    'ends authsec %s with 20',
    async (_name, args) => {
      const server = await serveAlways(hangUp)
      expect(await run(args, server.url)).toMatchObject({
        code: 20,
        stdout: '',
        stderr: expect.stringMatching(/^authsec: cannot reach http:\/\/127\.0\.0\.1:\d+.*\nhint: /),
      })
    },
  )
})

/** What has an answer of its own for whatever a server does. */
describe.each([...ANSWERS, { why: 'nothing, and hangs up', respond: hangUp }])(
  'a server that answers $why',
  ({ why, respond }) => {
    test('is what authsec doctor finds wrong, in every line that it prints', async () => {
      const server = await serveAlways(respond)
      const { code, stdout, stderr } = await run(['doctor'], server.url)
      expect([20, 21]).toContain(code)
      expect(stderr).toMatch(/^authsec: \d+ of \d+ checks failed\n/)
      expectClean(stdout + stderr)
    })

    test('keeps nobody from logging out here', async () => {
      const directory = await makeDirectory()
      const server = await serveAlways(respond)
      const credentials = join(directory, 'credentials.json')
      const session = { access_token: SESSION, server_url: server.url }
      await writeFile(credentials, JSON.stringify({ here: session }), { mode: 0o600 })
      const { code, stdout, stderr } = await run(['logout'], server.url, {
        AUTHSEC_CONFIG_DIR: directory,
        AUTHSEC_TOKEN: '',
      })
      expect({ code, stdout, stderr }).toEqual({
        code: 0,
        stdout: '',
        stderr: expect.stringContaining('logged out of'),
      })
      // Any JSON is an answer to it, of which nothing is read.
      if (why !== 'JSON of another shape') expect(stderr).toContain('the session may count there')
      expectClean(stderr)
      expect(await readFile(credentials, 'utf8')).not.toContain(SESSION)
    })

    test('for its keys makes authsec token verify fail in words', async () => {
      const server = await serveAlways((response, request, body) => {
        if (request.url === '/oauth/jwks') return respond(response, request, body)
        const url = `http://${request.headers.host}`
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ issuer: url, jwks_uri: `${url}/oauth/jwks`, authsec_tenant: TENANT }))
      })
      const { code, stdout, stderr } = await run(['token', 'verify', '-'], server.url)
      expect([20, 21]).toContain(code)
      expect(stdout).toBe('')
      expect(stderr).toMatch(/^authsec: /)
      expectClean(stderr)
    })
  },
)

test('a server that never comes to an end with its answer is given up', async () => {
  const server = await serveAlways((response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const drip = setInterval(() => response.write(' '), 500)
    response.on('close', () => clearInterval(drip))
  })
  // What lists all that a condemned key signed may take a minute, and a stream is no answer of that type.
  const commands = COMMANDS.filter(
    ([group, verb]) => !(group === 'keys' && verb !== 'list') && verb !== 'tail',
  )
  const runs = await Promise.all(commands.map((args) => run(args, server.url)))
  for (const [at, { code, stdout, stderr }] of runs.entries()) {
    expect([commands[at], code, stdout]).toEqual([commands[at], 23, ''])
    expect(stderr).toMatch(/^authsec: http:\/\/127\.0\.0\.1:\d+ did not answer in /)
  }
})
