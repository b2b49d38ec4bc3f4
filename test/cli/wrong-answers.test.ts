import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { countRounds } from '../stress/rounds.js'
import { runCli } from '../support/run-cli.js'
import { startTestServer } from '../support/running-server.js'

/** A member of an answer that is something else than it should be: what is there already, or any JSON at all. */
interface Forgery {
  answer: number
  member: number
  value: unknown
}

/** Every command that reads an answer, with what it is given; the names stand for what is there. */
const COMMANDS: readonly (readonly string[])[] = [
  ['client', 'list'],
  ['client', 'show', 'CLIENT'],
  ['client', 'show', 'demo-agent'],
  ['client', 'register', 'bot', '--type', 'ai_agent', '--agent-type', 'langchain'],
  ['client', 'register', 'app', '--dynamic', '--auth-method', 'client_secret_basic'],
  ['client', 'update', 'CLIENT', '--tag', 'x'],
  ['client', 'activate', 'CLIENT'],
  ['client', 'delete', 'CLIENT', '--dry-run'],
  ['client', 'rotate', 'APP', '--overlap', '1h'],
  ['policy', 'list'],
  ['policy', 'show', 'POLICY'],
  ['policy', 'update', 'POLICY', '--max-ttl', '1h'],
  ['policy', 'delete', 'POLICY', '--dry-run'],
  ['resource', 'list'],
  ['resource', 'show', 'https://billing.example'],
  ['resource', 'delete', 'https://billing.example', '--dry-run'],
  ['trust', 'list'],
  ['trust', 'show', 'deploy'],
  ['trust', 'delete', 'deploy', '--dry-run'],
  ['ci', 'oidc', '--explain', '--identity', '-'],
  ['whoami'],
  ['keys', 'list'],
  ['delegation', 'list'],
  ['delegation', 'show', 'demo-agent'],
  ['delegation', 'grant', 'demo-agent'],
  ['token', 'mint'],
  ['token', 'mint', '--audience', 'https://billing.example', '--permission', 'billing:read'],
  ['token', 'introspect', '-'],
  ['token', 'revoke', '--jti', 'x'],
  ['token', 'verify', '-', '--online'],
  ['audit', 'search'],
]

const CODES = [0, 2, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 21]
const ROUNDS = countRounds(4)

let env: Readonly<Record<string, string>>
let names: Readonly<Record<string, string>>
let server: Awaited<ReturnType<typeof startTestServer>>
let token: string

beforeAll(async () => {
  server = await startTestServer()
  const metadata = { client_name: 'app', token_endpoint_auth_method: 'client_secret_basic', grant_types: [] }
  const app = (await server.call('POST', '/oauth/register', { json: metadata })).json
  const [policy] = (await server.call('GET', '/authsec/uflow/delegation-policies', { admin: true })).json
  token = (await server.exchange()).json.access_token
  const rule = { name: 'deploy', issuer: 'https://ci.example', audience: server.url, subject: 'repo:acme/*' }
  await server.call('POST', '/admin/trust-rules', {
    admin: true,
    json: { ...rule, client_id: server.clientId },
  })
  names = { CLIENT: server.clientId, APP: app.client_id, POLICY: policy.id }
  env = {
    AUTHSEC_SERVER: server.url,
    AUTHSEC_TENANT: server.tenantId,
    AUTHSEC_CLIENT_ID: server.clientId,
    AUTHSEC_TOKEN: server.adminToken,
  }
  return () => server.close()
})
afterEach(() => expect(server.surprises).toEqual([]))

describe('a server that sends something else in one member of one answer', () => {
  test.each(COMMANDS.map((args) => [args.join(' '), args] as const))(
    'makes authsec %s fail in words, or changes nothing',
    async (_name, args) => {
      await fc.assert(
        fc.asyncProperty(forgeries(), fc.boolean(), async (forgery, json) => {
          const given = args.map((arg) => names[arg] ?? arg)
          const { code, stdout, stderr } = await runCli(json ? [...given, '--json'] : given, {
            env,
            stdin: token,
            clock: { now: () => server.now },
            fetch: forge(forgery),
          })
          expect(CODES).toContain(code)
          if (code !== 0 && code < 10) expect(stdout).toBe('')
          expect(stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object/)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not reach a terminal.
          expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f\x9b\u202e]/)
        }),
        { numRuns: ROUNDS },
      )
    },
    120_000,
  )
})

function forgeries(): fc.Arbitrary<Forgery> {
  const odd = fc.oneof(
    fc.constantFrom(null, '', 0, -1, true, [], {}, 'x\u001b[2J\u202e', '__proto__', 1e308, [null], { a: 1 }),
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
    const body: unknown = JSON.parse((await response.text()) || 'null')
    const places = listPlaces(body)
    const place = places[member % Math.max(1, places.length)]
    return Response.json(place === undefined ? value : place(value), {
      status: response.status,
      headers: { 'content-type': 'application/json' },
    })
  }
}

/** For every member, however deep, what makes the body with another value there. */
function listPlaces(body: unknown): ((value: unknown) => unknown)[] {
  if (typeof body !== 'object' || body === null) return [(value) => value]
  return Object.entries(body).flatMap(([name, inner]) =>
    [(value: unknown) => value, ...listPlaces(inner)].map((change) => (value: unknown) => {
      const copy = structuredClone(body) as Record<string, unknown>
      copy[name] = change(value)
      return copy
    }),
  )
}
