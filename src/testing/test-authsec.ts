import { anySignal } from '../core/any-signal.js'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, type MembersOf, readChoice } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import {
  type AuthsecClient,
  type AuthsecClientOptions,
  createAuthsecClient,
  type DelegationSubject,
} from '../sdk/index.js'
import { ANSWER_TIMEOUT_MS } from '../verify/fetch-json.js'
import { createVerifier, type DelegationVerifier, type VerifierOptions } from '../verify/index.js'
import type { Faults } from './faults.js'
import { createTestClock, type TestClock } from './test-clock.js'
import { DEFAULT_WORLD, type TestPolicy, type TestWorld } from './test-seed.js'
import { openTestServer, type TestServer } from './test-server.js'

export interface TestAuthsecOptions extends Partial<TestWorld> {
  /** Who answers what people are asked for (CIBA); `manual` by default: nobody. */
  approvals?: 'manual' | 'auto-approve' | 'auto-deny'
  /** When the test begins, in milliseconds since the epoch. */
  now?: number
}

/**
 * An AuthSec server, an agent and an API in this process: real tokens and real signatures, no socket, and time that
 * stands.
 */
export interface TestAuthsec {
  readonly server: TestServer
  /** The first agent. */
  readonly authsec: AuthsecClient
  /** The first API. */
  readonly verifier: DelegationVerifier
  readonly clock: TestClock
  readonly faults: Faults
  /** A client for an agent by its name, the first by default. */
  createClient(agent?: string, options?: Partial<AuthsecClientOptions>): AuthsecClient
  /**
   * A verifier for an API by the name that its tokens carry. It asks the server as the client that runs this API:
   * `introspect`, `replay: 'server'` and `useReceipts` need no more than to be said.
   */
  createVerifier(audience: string, options?: Partial<VerifierOptions>): DelegationVerifier
  /** Signs a user in, and stands for them at the first agent. */
  signIn(user: string): Promise<DelegationSubject>
  close(): Promise<void>
}

const OPTIONS: MembersOf<TestAuthsecOptions> = { users: 1, agents: 1, policies: 1, approvals: 1, now: 1 }
const POLICY: MembersOf<TestPolicy> = { permissions: 1, resources: 1, agent: 1 }

/**
 * Opens a server in memory with these users, agents and policies, and what speaks to it. Throws `configuration` for a
 * world in which nobody has delegated to any agent, or that names somebody who is not in it.
 */
export async function createTestAuthsec(options: TestAuthsecOptions = {}): Promise<TestAuthsec> {
  assertMembers('the options of createTestAuthsec', options, OPTIONS)
  const { approvals = 'manual', now, ...asked } = options
  readChoice('approvals', approvals, ['manual', 'auto-approve', 'auto-deny'])
  const world: TestWorld = { ...DEFAULT_WORLD, ...asked }
  assertWorld(world)
  const clock = createTestClock(now)
  const { server, faults, owners } = await openTestServer(world, { clock, approvals })
  // What the client would load later: time that stands waits for promises, and for no file.
  await import('../sdk/on-demand.js')
  const [agent = ''] = Object.keys(world.agents)
  const clients = new Set<AuthsecClient>()

  const createClient = (name = agent, more: Partial<AuthsecClientOptions> = {}) => {
    const client = createAuthsecClient({
      serverUrl: server.url,
      clientId: server.clientIdOf(name),
      clock,
      random: () => 0.5,
      fetch: server.fetch,
      ...more,
      // What a developer's environment names is for other servers.
      credentials: more.credentials ?? 'none',
    })
    clients.add(client)
    return client
  }
  const patient = giveUpBy(clock, server)
  const openVerifier = (audience: string, more: Partial<VerifierOptions> = {}) =>
    createVerifier({
      serverUrl: server.url,
      audience,
      client: owners.get(audience),
      clock: clock.wall,
      fetch: patient,
      ...more,
    })

  const authsec = createClient()
  return {
    server,
    authsec,
    verifier: openVerifier(world.policies[0]?.resources[0] as string),
    clock,
    faults,
    createClient,
    createVerifier: openVerifier,
    signIn: async (user) => authsec.subject(await server.signIn(user)),
    async close() {
      await Promise.all([...clients].map((client) => client.close()))
      await server.close()
    },
  }
}

// A verifier by itself does so by the clock of the machine, which is not the test's.
function giveUpBy(clock: TestClock, { url, fetch }: TestServer): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const leaving = new AbortController()
    const cancel = clock.after(
      ANSWER_TIMEOUT_MS,
      () => leaving.abort(new AuthsecError('timed_out', `${url} did not answer in time`)),
      false,
    )
    try {
      return await fetch(request, { signal: anySignal([request.signal, leaving.signal]) })
    } finally {
      cancel()
    }
  }
}

function assertWorld({ users, agents, policies }: TestWorld): void {
  for (const policy of policies) assertMembers('a policy of the test', policy, POLICY)
  const [first] = Object.entries(agents)
  if (first === undefined) throw misconfigured('a test needs an agent')
  if (policies[0]?.resources[0] === undefined) throw misconfigured('a test needs a policy with an API')
  for (const [agent, user] of Object.entries(agents)) {
    if (user !== undefined && users[user] === undefined) {
      throw misconfigured(`${quote(user)}, who has delegated to ${quote(agent)}, is no user of the test`)
    }
  }
  const stranger = policies.find(({ agent }) => agent !== undefined && !(agent in agents))?.agent
  if (stranger !== undefined)
    throw misconfigured(`${quote(stranger)}, whom a policy names, is no agent of the test`)
}

function misconfigured(message: string): AuthsecError {
  return new AuthsecError('configuration', message)
}
