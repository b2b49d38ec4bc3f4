import type { AuthsecClient, AuthsecClientOptions, AuthsecEvent } from '../../src/sdk/index.js'
import { createAuthsecClient } from '../../src/sdk/index.js'
// Loaded beforehand: a clock that stands waits for promises, and for no file.
import '../../src/sdk/on-demand.js'
import { createFakeClock, type FakeClock } from './fake-clock.js'
import { createStubAuthsec, STUB_CLIENT_ID, STUB_URL, type StubAuthsec } from './stub-authsec.js'

export interface StubbedClient {
  authsec: AuthsecClient
  stub: StubAuthsec
  clock: FakeClock
  events: AuthsecEvent[]
}

/** A client that speaks to a stub, on a clock of its own and without chance: refreshes are not spread. */
export function createStubbedClient(
  options: Partial<AuthsecClientOptions> & { callTokens?: boolean } = {},
): StubbedClient {
  const { callTokens = true, ...clientOptions } = options
  const clock = createFakeClock()
  const stub = createStubAuthsec(clock, { callTokens })
  const events: AuthsecEvent[] = []
  const authsec = createAuthsecClient({
    serverUrl: STUB_URL,
    clientId: STUB_CLIENT_ID,
    clock,
    random: () => 0.5,
    fetch: stub.fetch,
    onEvent: (event) => events.push(event),
    ...clientOptions,
  })
  return { authsec, stub, clock, events }
}
