import fc from 'fast-check'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { BILLING, exchangeForm, type TestServer } from '../support/running-server.js'

/** One request as it goes over the wire, made to find a fault. */
export interface HostileRequest {
  method: string
  path: string
  headers: Readonly<Record<string, string>>
  body: Buffer
}

/** What is real on the server that is asked: what nobody could guess gets a request past the first door. */
export interface KnownWords {
  server: TestServer
  baseToken: string
  callToken: string
}

const TEXTS = [
  ...['', ' ', '0', '-1', '1e9', '9'.repeat(400), 'true', 'null', '{}', '2026-11-24T09:00:00Z'],
  ...['constructor', '__proto__', '../..', '%00', '\0', '\ud800', '\u202e', 'ä€😀', '\r\nx: y', '\\', '"'],
  ...["' or 1=1 --", '%', '_', '*', 'a:b', 'token.*', 'type=*', 'outcome=deny', 'billing:read'],
  ...['member', 'admin', 'langchain', 'authsec-api', BILLING, `${BILLING}/`],
  ...['x'.repeat(5_000), 'a:b '.repeat(3_000), '11111111-2222-4333-8444-555555555555'],
]
const QUERY_NAMES = [
  ...['client_id', 'tenant_id', 'page', 'limit', 'name', 'active', 'active_only', 'role_name', 'agent_type'],
  ...['enabled', 'filter', 'after', 'since', 'until', 'last', '__proto__'],
]
const FIELD_NAMES = [
  ...[
    'name',
    'email',
    'client_type',
    'agent_type',
    'platform',
    'selectors',
    'role_name',
    'uri',
    'permissions',
  ],
  ...[
    'allowed_permissions',
    'resources',
    'max_ttl_seconds',
    'enabled',
    'client_id',
    'audience',
    'ttl_seconds',
  ],
  ...['__proto__', 'constructor'],
]
const FORM_NAMES = [
  ...[
    'grant_type',
    'subject_token',
    'subject_token_type',
    'client_id',
    'resource',
    'audience',
    'scope',
    'tool',
  ],
  ...[
    'ttl_seconds',
    'actor_token',
    'requested_token_type',
    'call',
    'one_time',
    'authorization_details',
    'toString',
  ],
]
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE']
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE'])
const ODD_HEADERS: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['host', ['evil.example', 'LOCALHOST', '[::1]', '127.0.0.1:1', '0', 'localhost.']],
  ['origin', ['null', 'https://evil.example']],
  ['sec-fetch-site', ['cross-site', 'same-origin', 'none', '']],
  ['x-client-id', ['\xff\xfe', 'a'.repeat(3_000), '']],
  ['content-encoding', ['gzip', '\xff']],
  ['x-request-id', ['a'.repeat(3_000), '\xff\xfe']],
  ['cookie', ['=', 'a'.repeat(3_000)]],
]

/** Requests to every endpoint: most of them nearly right, because what is all wrong never reaches the code inside. */
export function hostileRequest(known: KnownWords): fc.Arbitrary<HostileRequest> {
  const { server, baseToken, callToken } = known
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...TEXTS) },
    { weight: 2, arbitrary: fc.constantFrom(server.clientId, server.tenantId, baseToken, callToken) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  )
  const segment = word.map(encodeText)
  const parts = {
    tenant: mostly(fc.constant(server.tenantId), segment),
    segment: mostly(fc.constant(server.clientId), segment),
    end: mostly(fc.constant(''), fc.constantFrom('/', '//', '/..', '%2f', ';x', '/%ff')),
    query: fc.oneof(fc.constant(''), queryOf(word)),
    content: fc.oneof(formOf(known, word), jsonOf(word), brokenBody(word)),
    bearer: mostly(fc.constant(server.adminToken), fc.constantFrom(callToken, baseToken, '', '.')),
    odd: mostly(fc.constant({}), oddHeader()),
  }
  // Whoever logs out in the middle is a stranger for the rest.
  const served = ENDPOINTS.filter(({ paths }) => !paths.some((path) => path.endsWith('/logout')))
  return fc
    .record({
      endpoint: fc.constantFrom(
        ...served.flatMap(({ method, paths }) => paths.map((path) => ({ method, path }))),
      ),
      method: mostly(fc.constant(undefined), fc.constantFrom(...METHODS)),
      ...parts,
    })
    .map(({ endpoint, method = endpoint.method, tenant, segment: id, end, query: search, ...rest }) => {
      const path = endpoint.path.replace(':tenant', () => tenant).replace(/:[a-z]+|\*/g, () => id) + end
      return { method, path: path + search, ...withBody(method, path, rest, server) }
    })
}

function withBody(
  method: string,
  path: string,
  { content: [contentType, text], bearer, odd }: { content: Content; bearer: string; odd: object },
  server: TestServer,
): Pick<HostileRequest, 'headers' | 'body'> {
  const body = BODILESS.has(method) ? Buffer.alloc(0) : Buffer.from(text)
  // The token endpoint refuses every credential before it looks further.
  const isStranger = path.startsWith('/oauth') && bearer === server.adminToken
  const headers = {
    'content-length': `${body.length}`,
    ...(body.length > 0 && contentType !== undefined && { 'content-type': contentType }),
    ...(!isStranger && { authorization: `Bearer ${bearer}` }),
    ...odd,
  }
  return { headers, body }
}

function mostly<T>(usual: fc.Arbitrary<T>, unusual: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: unusual })
}

function queryOf(word: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const value = mostly(word.map(encodeText), fc.constant('%ff%'))
  const pair = fc.tuple(fc.constantFrom(...QUERY_NAMES), value).map((parts) => parts.join('='))
  return fc.array(pair, { minLength: 1, maxLength: 3 }).map((pairs) => `?${pairs.join('&')}`)
}

type Content = readonly [type: string | undefined, text: string]

function formOf({ server, baseToken }: KnownWords, word: fc.Arbitrary<string>): fc.Arbitrary<Content> {
  const field = fc.tuple(fc.constantFrom(...FORM_NAMES), word)
  return fc
    .record({
      changes: fc.array(field, { maxLength: 2 }),
      repeats: mostly(fc.constant<[string, string][]>([]), fc.array(field, { maxLength: 3 })),
    })
    .map(({ changes, repeats }) => {
      const form = new URLSearchParams({ ...exchangeForm(server.clientId), subject_token: baseToken })
      for (const [name, value] of changes) form.set(name, value)
      for (const [name, value] of repeats) form.append(name, value)
      return ['application/x-www-form-urlencoded', form.toString()]
    })
}

function jsonOf(word: fc.Arbitrary<string>): fc.Arbitrary<Content> {
  const value = fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }))
  const changes = fc.array(fc.tuple(fc.constantFrom(...FIELD_NAMES), value), { maxLength: 2 })
  const usual = fc.uuid().map((unique) => ({
    name: 'n',
    email: 'e@authsec.test',
    role_name: 'admin',
    agent_type: `t-${unique}`,
    audience: [BILLING],
    uri: `https://${unique}.example`,
  }))
  return fc
    .tuple(usual, changes)
    .map(([body, changed]) => [
      'application/json',
      JSON.stringify({ ...body, ...Object.fromEntries(changed) }),
    ])
}

function brokenBody(word: fc.Arbitrary<string>): fc.Arbitrary<Content> {
  return fc.oneof(
    fc.tuple(fc.constantFrom('text/plain', undefined, 'application/json', '\xff'), word),
    fc.constant(['application/json', ' '.repeat(70_000)] as const),
    fc.constant(['application/json', '['.repeat(30_000)] as const),
    jsonOf(word).map(([type, text]) => [type, text.slice(0, -2)] as const),
  )
}

function oddHeader(): fc.Arbitrary<Record<string, string>> {
  return fc
    .constantFrom(...ODD_HEADERS)
    .chain(([name, values]) => fc.constantFrom(...values).map((value) => ({ [name]: value })))
}

function encodeText(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}
