import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { countRounds } from '../stress/rounds.js'
import { type IdentityIssuer, startIdentityIssuer } from '../support/identity-issuer.js'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { startTestServer } from '../support/running-server.js'
import { findMissing } from '../support/server-commands.js'

/** A member of an answer that is something else than it should be, or GONE; any JSON may be an answer as a whole. */
interface Forgery {
  answer: number
  member: number
  value: unknown
}

const GONE = Symbol('gone')

/** Every command that reads an answer, with what it is given; the names stand for what is there. */
const COMMANDS: readonly (readonly string[])[] = [
  ['delegation', 'grant', 'demo-agent'],
  ['client', 'list'],
  ['client', 'show', 'CLIENT'],
  ['client', 'show', 'demo-agent'],
  ['client', 'register', 'bot', '--type', 'ai_agent', '--agent-type', 'langchain'],
  ['client', 'register', 'app', '--dynamic', '--auth-method', 'client_secret_basic'],
  ['client', 'update', 'CLIENT', '--tag', 'x'],
  ['client', 'activate', 'CLIENT'],
  ['client', 'deactivate', 'APP'],
  ['client', 'activate', 'APP'],
  ['client', 'delete', 'CLIENT', '--dry-run'],
  ['client', 'rotate', 'APP', '--overlap', '1h'],
  ['policy', 'list'],
  'policy create --role admin --agent-type mcp --permission billing:read --resource https://billing.example --max-ttl 1h'.split(
    ' ',
  ),
  ['policy', 'show', 'POLICY'],
  ['policy', 'update', 'POLICY', '--max-ttl', '1h'],
  ['policy', 'delete', 'POLICY', '--dry-run'],
  ['resource', 'list'],
  ['resource', 'show', 'https://billing.example'],
  ['resource', 'delete', 'https://billing.example', '--dry-run'],
  ['user', 'list'],
  ['user', 'create', 'carol@authsec.test', '--role', 'member'],
  ['user', 'update', 'bob@authsec.test', '--role', 'member'],
  ['user', 'deactivate', 'bob@authsec.test'],
  ['user', 'activate', 'bob@authsec.test'],
  ['role', 'list'],
  ['role', 'create', 'shipper', '--permission', 'shipping:read'],
  ['role', 'update', 'shipper', '--permission', 'orders:read'],
  ['trust', 'list'],
  ['trust', 'show', 'deploy'],
  ['trust', 'delete', 'deploy', '--dry-run'],
  ['trust', 'create', 'other', '--client', 'demo-agent', '--issuer', 'https://ci.example', '--subject', 'a'],
  ['ci', 'oidc', '--explain', '--identity', '-'],
  ['ci', 'oidc', '--audience', 'https://billing.example'],
  ['whoami'],
  ['logout'],
  ['doctor'],
  ['resource', 'create', 'https://other.example', '--permission', 'orders:read'],
  ['exec', '--audience', 'https://billing.example', '--', 'node', '-e', '0'],
  ['delegation', 'list'],
  ['delegation', 'show', 'demo-agent'],
  ['delegation', 'revoke', 'app', '--confirm', 'app'],
  ['token', 'mint'],
  ['token', 'mint', '--audience', 'https://billing.example', '--permission', 'billing:read'],
  ['token', 'introspect', '-'],
  ['token', 'revoke', '--jti', 'JTI'],
  ['token', 'verify', '-'],
  ['token', 'verify', '-', '--online'],
  ['token', 'exchange', '--subject', '-', '--audience', 'https://billing.example'],
  ['audit', 'search'],
  ['audit', 'tail', '--no-follow'],
  ['audit', 'show', 'EVENT'],
  ['audit', 'trace', 'CLIENT'],
  ['audit', 'export'],
  ['audit', 'verify', '--remote', '--require', 'linked'],
  ['audit', 'checkpoint'],
  ['keys', 'list'],
  ['keys', 'prepare', '--purpose', 'base'],
  ['keys', 'rotate', '--purpose', 'session', '--confirm', 'session'],
  ['keys', 'activate', 'PREPARED'],
  ['keys', 'taint', 'PREPARED', '--confirm', 'PREPARED'],
  ['keys', 'revoke', 'PREPARED', '--confirm', 'PREPARED'],
  ['login', '--generation', 'A', '--non-interactive'],
  ['login', '--generation', 'A', '--email', 'admin@authsec.test', '--password-stdin'],
]

const CODES = [0, 2, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 21]
// That an event, or the key, is another one than that of the log is what these are there to notice.
const LOG_CODES = [...CODES, 18, 19]
/** What has no --json, or is JSON anyway. */
const NEVER_JSON = ['exec', 'export', '--non-interactive']
const PASSWORD = 'wrong horse battery'
const ROUNDS = countRounds(4)
/** What can be done once has only one answer to forge. */
const FIRST: Forgery = { answer: 0, member: 1, value: null }

let env: Readonly<Record<string, string>>
let names: Readonly<Record<string, string>>
let server: Awaited<ReturnType<typeof startTestServer>>
let token: string
let issuer: IdentityIssuer

beforeAll(async () => {
  server = await startTestServer({ passwords: { 'admin@authsec.test': PASSWORD } })
  issuer = await startIdentityIssuer(() => server.now, server.url)
  const metadata = { client_name: 'app', token_endpoint_auth_method: 'client_secret_basic', grant_types: [] }
  const app = (await server.call('POST', '/oauth/register', { json: metadata })).json
  const [policy] = (await server.call('GET', '/authsec/uflow/delegation-policies', { admin: true })).json
  // A key that was prepared at the start may sign now.
  server.now += 660_000
  token = (await server.exchange()).json.access_token
  const rule = { name: 'deploy', issuer: 'https://ci.example', audience: server.url, subject: 'repo:acme/*' }
  await server.call('POST', '/admin/trust-rules', {
    admin: true,
    json: { ...rule, client_id: server.clientId },
  })
  const job = { name: 'job', issuer: issuer.url, audience: server.url, subject: 'repo:acme/**' }
  await server.call('POST', '/admin/trust-rules', {
    admin: true,
    json: { ...job, client_id: server.clientId },
  })
  const keys: { kid: string; state: string }[] = (await server.call('GET', '/admin/keys', { admin: true }))
    .json
  const { events } = (await server.call('GET', '/audit/events?last=1', { admin: true })).json
  names = {
    CLIENT: server.clientId,
    APP: app.client_id,
    JTI: `${decodeJwt((await server.exchange()).json.access_token).jti}`,
    POLICY: policy.id,
    PREPARED: findPrepared(keys),
    EVENT: events[0].event.id,
  }
  env = {
    AUTHSEC_SERVER: server.url,
    AUTHSEC_TENANT: server.tenantId,
    AUTHSEC_CLIENT_ID: server.clientId,
    AUTHSEC_TOKEN: server.adminToken,
    ...issuer.jobVariables,
  }
  return async () => {
    await issuer.close()
    await server.close()
  }
})
afterEach(() => expect(server.surprises).toEqual([]))

test('every command that can be told a server is among them', async () => {
  expect(await findMissing(COMMANDS)).toEqual([])
})

describe('a server that sends something else in one member of one answer', () => {
  test.each(COMMANDS.map((args) => [args.join(' '), args] as const))(
    'makes authsec %s fail in words, or changes nothing',
    async (_name, args) => {
      await fc.assert(
        fc.asyncProperty(forgeries(), fc.boolean(), async (forgery, json) => {
          const given = args.map((arg) => names[arg] ?? arg)
          const [group] = args
          // One may be tried so often in a minute.
          if (group === 'login') server.now += 60_000
          const canBeJson = !NEVER_JSON.some((word) => args.includes(word))
          const { code, stdout, stderr } = await runCli(json && canBeJson ? [...given, '--json'] : given, {
            env: group === 'logout' ? await storeSession() : env,
            stdin: await chooseInput(args),
            clock: { now: () => server.now },
            fetch: forge(forgery),
          })
          expect(group === 'audit' ? LOG_CODES : CODES).toContain(code)
          if (code !== 0 && code < 10 && group !== 'doctor') expect(stdout).toBe('')
          expect(stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object/)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not reach a terminal.
          expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f\x9b\u202e]/)
        }),
        { numRuns: ROUNDS, examples: [[FIRST, false]] },
      )
    },
    Math.max(120_000, ROUNDS * 5_000),
  )
})

function findPrepared(keys: readonly { kid: string; state: string }[]): string {
  const key = keys.find(({ state }) => state === 'prepared')
  if (key === undefined) throw new Error('the server has prepared no key')
  return key.kid
}

async function chooseInput(args: readonly string[]): Promise<string> {
  if (args.includes('--password-stdin')) return PASSWORD
  return args[1] === 'exchange' ? await server.pull() : token
}

/** An environment in which somebody is logged in, with a session that the server does not know. */
async function storeSession(): Promise<Record<string, string>> {
  const directory = await makeDirectory()
  const session = { access_token: 'not-a-session', server_url: server.url }
  await writeFile(join(directory, 'credentials.json'), JSON.stringify({ here: session }), { mode: 0o600 })
  return { AUTHSEC_SERVER: server.url, AUTHSEC_CONFIG_DIR: directory }
}

function forgeries(): fc.Arbitrary<Forgery> {
  const odd = fc.oneof(
    fc.constant(GONE),
    fc.constantFrom<unknown>(null, '', 0, -1, true, [], {}, 'x\u001b[2J\u202e', '__proto__', 1e308, [null], {
      a: 1,
    }),
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>,
  )
  return fc.record({ answer: fc.nat({ max: 3 }), member: fc.nat({ max: 60 }), value: odd })
}

/** The real server, but for one member of the answer with that number. */
function forge({ answer, member, value }: Forgery): typeof fetch {
  let count = 0
  return async (input, init) => {
    const response = await globalThis.fetch(input, init)
    if (count++ !== answer) return response
    const bytes = await response.arrayBuffer()
    const body = readJson(new TextDecoder().decode(bytes))
    // A file of the log, which its own tests tamper with.
    if (body === undefined) return new Response(bytes, response)
    const places = listPlaces(body)
    const place = places[member % Math.max(1, places.length)]
    const forged = place === undefined ? value : place(value)
    return Response.json(forged === GONE ? {} : forged, {
      status: response.status,
      headers: { 'content-type': 'application/json' },
    })
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text || 'null')
  } catch {
    return undefined
  }
}

/** For every member, however deep, what makes the body with another value there. */
function listPlaces(body: unknown): ((value: unknown) => unknown)[] {
  if (typeof body !== 'object' || body === null) return [(value) => value]
  return Object.entries(body).flatMap(([name, inner]) =>
    [(value: unknown) => value, ...listPlaces(inner)].map((change) => (value: unknown) => {
      const copy = structuredClone(body) as Record<string, unknown>
      const changed = change(value)
      if (changed !== GONE) copy[name] = changed
      else if (Array.isArray(copy)) copy.splice(Number(name), 1)
      else delete copy[name]
      return copy
    }),
  )
}
