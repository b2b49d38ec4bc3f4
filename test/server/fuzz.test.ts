import { Agent, request as sendRequest } from 'node:http'
import { expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { BILLING, exchangeForm, startTestServer, type TestServer } from '../support/running-server.js'

const SEED = Number(process.env['FUZZ_SEED'] ?? 7468)
const REQUESTS = 2_000
const PARALLEL = 8

interface Shot {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
}

test(`${REQUESTS} hostile requests are answered without a fault (seed ${SEED})`, {
  timeout: 30_000,
}, async () => {
  const server = await startTestServer()
  const tokens = { base: await server.pull(), call: (await server.exchange()).json.access_token }
  const random = createRandom(SEED)
  const shots = Array.from({ length: REQUESTS }, () => createShot(random, server, tokens))
  const statuses = new Map<number, number>()
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })
  const started = performance.now()
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let shot = shots.pop(); shot !== undefined; shot = shots.pop()) {
        const status = await fire(server.port, shot, agent)
        if (status >= 500)
          throw new Error(`${status} for ${JSON.stringify({ ...shot, body: shot.body.toString('latin1') })}`)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }),
  )
  agent.destroy()
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(server.surprises).toEqual([])
  expect((await server.call('GET', '/audit/events?limit=1000', { admin: true })).status).toBe(200)
  // Not all of it was turned away at the first door.
  for (const status of [200, 201, 400, 401, 403, 404, 405, 413, 421])
    expect(statuses.get(status), `${status}`).toBeGreaterThan(0)
  await server.close()
})

type Random = ReturnType<typeof createRandom>

function createRandom(seed: number) {
  let state = seed
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    next,
    chance: (of: number) => next() < of,
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
  }
}

const TEXTS = [
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  'true',
  'null',
  'constructor',
  '__proto__',
  '../..',
  '%00',
  '\0',
  '\ud800',
  '\u202e',
  'ä€😀',
  "' or 1=1 --",
  '%',
  '_',
  '*',
  'a:b',
  'billing:read',
  'token.*',
  'type=*',
  'outcome=deny',
  BILLING,
  'https://billing.example/',
  'x'.repeat(5_000),
  'a:b '.repeat(3_000),
  '2026-11-24T09:00:00Z',
  '9'.repeat(400),
  '{}',
  'member',
  'admin',
  'langchain',
  'authsec-api',
  '\\',
  '"',
  '\r\nx: y',
  '11111111-2222-4333-8444-555555555555',
]
const QUERY_NAMES = [
  'client_id',
  'tenant_id',
  'page',
  'limit',
  'name',
  'active',
  'active_only',
  'role_name',
  'agent_type',
  'enabled',
  'filter',
  'after',
  'since',
  'until',
  'last',
  '__proto__',
]
const FIELD_NAMES = [
  'name',
  'email',
  'client_type',
  'agent_type',
  'platform',
  'selectors',
  'role_name',
  'allowed_permissions',
  'resources',
  'max_ttl_seconds',
  'enabled',
  'client_id',
  'audience',
  'ttl_seconds',
  'uri',
  'permissions',
  '__proto__',
  'constructor',
]
const FORM_NAMES = [
  'grant_type',
  'subject_token',
  'subject_token_type',
  'client_id',
  'resource',
  'audience',
  'scope',
  'tool',
  'ttl_seconds',
  'actor_token',
  'requested_token_type',
  'call',
  'one_time',
  'authorization_details',
  'toString',
]
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  86_400,
  [],
  {},
  [1],
  ['a:b'],
  ['a:b', 'a:b'],
  [BILLING],
  { a: 'b' },
  { __proto__x: 'y' },
  Array(2_000).fill('a:b'),
]

function createShot(random: Random, server: TestServer, tokens: { base: string; call: string }): Shot {
  const { pick, chance } = random
  // Whoever logs out in the middle is a stranger for the rest.
  const endpoint = pick(ENDPOINTS.filter(({ summary, paths }) => !/log ?out/i.test(`${summary} ${paths}`)))
  const words = [...TEXTS, server.clientId, server.tenantId, tokens.base, tokens.call, server.adminToken]
  const word = () => pick(words)
  const segment = () => (chance(0.7) ? server.clientId : encodeURIComponent(word().toWellFormed()))
  let path = pick(endpoint.paths)
    .replace(':tenant', chance(0.8) ? server.tenantId : segment())
    .replace(':id', segment())
  if (chance(0.05)) path += pick(['/', '//', '/..', '%2f', ';x', '/%ff'])
  if (chance(0.5))
    path += `?${Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => `${pick(QUERY_NAMES)}=${chance(0.9) ? encodeURIComponent(word().toWellFormed()) : '%ff%'}`).join('&')}`
  const method = chance(0.85)
    ? endpoint.method
    : pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE'])
  const hasBody = method !== 'GET' && method !== 'HEAD' && method !== 'TRACE'
  const [contentType, body] = hasBody
    ? createBody(random, server, tokens, word)
    : [undefined, Buffer.alloc(0)]
  const headers: Record<string, string> = { 'content-length': `${body.length}` }
  if (contentType !== undefined) headers['content-type'] = contentType
  if (chance(0.85)) headers['authorization'] = `Bearer ${chance(0.95) ? server.adminToken : tokens.call}`
  // The token endpoint refuses every credential before it looks further.
  if (path.startsWith('/oauth') && chance(0.9)) delete headers['authorization']
  if (chance(0.05))
    headers['host'] = pick(['evil.example', 'LOCALHOST', '[::1]', '127.0.0.1:1', '0', 'localhost.'])
  if (chance(0.05)) headers['origin'] = pick(['null', 'https://evil.example', server.url])
  if (chance(0.05)) headers['sec-fetch-site'] = pick(['cross-site', 'same-origin', 'none', ''])
  if (chance(0.1))
    headers[
      pick(['x-client-id', 'user-agent', 'x-request-id', 'cookie', 'x-forwarded-host', 'content-encoding'])
    ] = pick(['\xff\xfe', 'gzip', 'a'.repeat(3_000), server.clientId, ''])
  return { method, path, headers, body }
}

function createBody(
  random: Random,
  server: TestServer,
  tokens: { base: string; call: string },
  word: () => string,
): [string | undefined, Buffer] {
  const { pick, chance } = random
  if (chance(0.05)) return [pick(['text/plain', undefined, 'application/json', '\xff']), Buffer.from(word())]
  if (chance(0.03)) return ['application/json', Buffer.alloc(70_000, 0x20)]
  if (chance(0.03)) return ['application/json', Buffer.from('['.repeat(30_000))]
  if (chance(0.35)) {
    const form = new URLSearchParams({ ...exchangeForm(server.clientId), subject_token: tokens.base })
    if (chance(0.7)) form.set(pick(FORM_NAMES), word())
    if (chance(0.1)) form.append(pick(FORM_NAMES), word())
    return ['application/x-www-form-urlencoded', Buffer.from(form.toString())]
  }
  const body: Record<string, unknown> = {
    name: 'n',
    email: 'e@authsec.test',
    role_name: 'admin',
    agent_type: `t${random.next()}`,
    audience: [BILLING],
    uri: `https://r${random.next()}.example`,
  }
  for (let change = 0; change < 2; change++) {
    if (chance(0.5))
      body[pick(FIELD_NAMES)] = chance(0.5) ? word() : chance(0.5) ? [word(), word()] : pick(VALUES)
  }
  const text = JSON.stringify(body)
  return ['application/json', Buffer.from(chance(0.05) ? text.slice(0, -2) : text)]
}

function fire(port: number, { method, path, headers, body }: Shot, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = sendRequest({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
      response.on('error', reject)
    })
    request.setTimeout(5_000, () => request.destroy(new Error(`no answer to ${method} ${path}`)))
    // A connection that was closed under us is one that the server may close: it refused what it had not read.
    request.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve(0) : reject(error),
    )
    request.end(body)
  })
}
