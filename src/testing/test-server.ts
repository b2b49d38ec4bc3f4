import { SERVER_ITSELF } from '../authority/audit/log.js'
import { type Authority, openAuthority } from '../authority/authority.js'
import { applySeed } from '../authority/seed-planting.js'
import type { AuditEntry } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { createApp } from '../server/app.js'
import { createRateLimiter, RATE_LIMITS } from '../server/rate-limits.js'
import { openState } from '../server/state.js'
import type { User } from '../store/store.js'
import type { ApiClientOptions } from '../verify/issuer-client.js'
import { createFaultyWay, type Faults } from './faults.js'
import type { TestClock } from './test-clock.js'
import { makeTestKeys } from './test-keys.js'
import { createTestSeed, emailOf, listResources, type TestWorld } from './test-seed.js'

/** AuthSec's server without a socket. */
export interface TestServer {
  readonly url: string
  /** A `fetch` that reaches nothing but this server, through the faults of the test. */
  readonly fetch: typeof fetch
  /** Every token that has left the server so far. */
  readonly issued: readonly string[]
  /** Throws `not_found` for an agent that is not in the test. */
  clientIdOf(agent: string): string
  /** Throws `not_found` for a user who is not in the test. */
  userIdOf(user: string): Promise<string>
  /** A session of a user, as a login would give it. */
  signIn(user: string): Promise<string>
  /** Ends the delegation of an agent. */
  revokeDelegation(agent: string): Promise<void>
  /** What the audit log holds, oldest first. */
  readAudit(): Promise<AuditEntry[]>
  close(): Promise<void>
}

interface TestServerOptions {
  clock: TestClock
  approvals: 'manual' | 'auto-approve' | 'auto-deny'
}

const URL_OF_TESTS = 'http://127.0.0.1:7468'
const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g

export async function openTestServer(
  world: TestWorld,
  { clock, approvals }: TestServerOptions,
): Promise<{
  server: TestServer
  faults: Faults
  /** The client that runs each API. */
  owners: ReadonlyMap<string, ApiClientOptions>
}> {
  const way = createFaultyWay(clock, () => ({ authority, admin }))
  const now = () => clock.wall() + way.skew
  const state = await openState({ state: ':memory:' })
  const { store, kek } = state
  const authority: Authority = await openAuthority({
    store,
    kek,
    issuer: URL_OF_TESTS,
    clock: now,
    ciba: approvals,
    keySource: { imported: await makeTestKeys() },
  })
  const { audit, identity } = authority
  const owners = await registerOwners(authority, [...listResources(world).keys()])
  const ownerIds = new Map([...owners].map(([uri, { clientId }]) => [uri, clientId]))
  const seed = createTestSeed(world, ownerIds)
  const seeded = await applySeed({ store, audit }, seed, identity.tenantId, now())
  const admin: User = seeded.admin
  for (const { user, ...grant } of seeded.delegations) {
    await authority.delegations.grant(grant, user, SERVER_ITSELF)
  }
  const { clients: listed } = await store.clients.list({ limit: 1_000, offset: 0 })
  const clients = new Map(listed.map(({ name, id }) => [name, id]))
  const stopping = new AbortController()
  const surprises: unknown[] = []
  const app = createApp({
    authority,
    mode: 'dev',
    serverUrl: URL_OF_TESTS,
    gate: { hosts: [], ownOrigins: [URL_OF_TESTS], origins: [] },
    limiter: createRateLimiter(RATE_LIMITS.off, now),
    proxies: [],
    stopping: stopping.signal,
    onSurprise: (error) => surprises.push(error),
  })
  const issued: string[] = []

  const findUser = async (name: string): Promise<User> => {
    const user = await store.users.findByEmail(emailOf(name))
    if (user === undefined) throw missing('user', name)
    return user
  }
  const clientIdOf = (agent: string) => {
    const id = clients.get(agent)
    if (id === undefined) throw missing('agent', agent)
    return id
  }

  const server: TestServer = {
    url: URL_OF_TESTS,
    issued,
    async fetch(input, init) {
      const request = new Request(input, init)
      const { origin } = new URL(request.url)
      if (origin !== URL_OF_TESTS) throw new TypeError(`a test reaches nothing but ${URL_OF_TESTS}`)
      const response = await way.pass(request, app)
      const text = await response.clone().text()
      for (const [jwt] of text.matchAll(JWT)) issued.push(jwt)
      return response
    },
    clientIdOf,
    userIdOf: async (user) => (await findUser(user)).id,
    async signIn(user) {
      const token = await authority.sessions.start(await findUser(user))
      issued.push(token)
      return token
    },
    async revokeDelegation(agent) {
      await authority.delegations.revoke(clientIdOf(agent), admin, SERVER_ITSELF)
    },
    readAudit: () => authority.audit.search({ limit: 1_000 }),
    async close() {
      stopping.abort()
      await state.close()
      if (surprises.length > 0) throw new AggregateError(surprises, 'something went wrong inside the server')
    },
  }
  return { server, faults: way.faults, owners }
}

// One for each API: the server tells none of them of the tokens of another.
async function registerOwners(
  { registration }: Authority,
  uris: readonly string[],
): Promise<Map<string, ApiClientOptions>> {
  const owners = new Map<string, ApiClientOptions>()
  for (const uri of uris) {
    const { client, secret = '' } = await registration.register(
      { clientName: `the API ${uri}`.slice(0, 256), descriptions: {} },
      undefined,
      SERVER_ITSELF,
    )
    owners.set(uri, { clientId: client.id, credentials: { clientSecret: secret } })
  }
  return owners
}

function missing(what: string, name: string): AuthsecError {
  return new AuthsecError('not_found', `the test has no ${what} ${quote(name)}`)
}
