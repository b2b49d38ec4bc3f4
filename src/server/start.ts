import { type Provenance, SERVER_ITSELF } from '../authority/audit/log.js'
import { type Authority, openAuthority } from '../authority/authority.js'
import type { CibaMode } from '../authority/ciba.js'
import { applySeed, type Seed, type SeededDelegation } from '../authority/seed.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { createApp } from './app.js'
import { parseQuirks } from './quirks.js'
import { seedPasswords } from './seed-passwords.js'
import { openSocket } from './socket.js'
import { openState } from './state.js'

/** AuthSec's own port. */
export const DEFAULT_PORT = 7468

export interface ServerOptions {
  /** The directory that holds everything, or `:memory:`. */
  state: string
  /** 0 picks a free one; default 7468. */
  port?: number
  /** A loopback address; default 127.0.0.1. */
  host?: string
  /** Milliseconds since the epoch. */
  clock?: () => number
  /** Who answers what programs ask people for (CIBA): people, or the server by itself; default `manual`. */
  ciba?: CibaMode
  /** Who and what a new state starts with; an old state refuses another seed than its own. */
  seed?: Seed
  /**
   * The passwords of seeded users by e-mail address. Those not named keep theirs from the state directory, where
   * random ones lie in `passwords.json` (readable by its owner only) since the first start.
   */
  passwords?: Readonly<Record<string, string>>
  /**
   * What the real server does that is dangerous, by name (`renew`, `issue-delegated`, `token-generate`,
   * `spire-audit-export`): none of it is served unless it stands here.
   */
  quirks?: readonly string[]
  /** Told of faults inside the server. */
  onSurprise?: (error: unknown, provenance: Provenance) => void
}

/** A server that is up. */
export interface RunningServer {
  readonly url: string
  /** The issuer of call tokens: the URL of the state's first start. */
  readonly issuer: string
  readonly tenantId: string
  /** The seeded agent. */
  readonly clientId: string
  /** Who delegated to it. */
  readonly user: { id: string; email: string }
  /** A session with `admin:access` that ends with this run. */
  readonly adminToken: string
  /** The server without its socket. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Answers what is under way, then frees the port and the state; a second call waits for the first. */
  close(): Promise<void>
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|::1)$/
// Below this much life a seeded delegation is granted anew, so that the demo agent always works.
const REGRANT_MS = 3_600_000
const REGRANT_CHECK_MS = 60_000

/**
 * Starts AuthSec's offline server: opens or creates its state, binds, seeds, answers.
 *
 * Throws `usage` for an address beyond this machine and for an unknown quirk, `port_in_use`, `state_locked` naming the process that has
 * the state, `state_newer` and `state_unreadable`.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { port = DEFAULT_PORT, clock = Date.now, seed, passwords = {}, onSurprise = () => {} } = options
  const { ciba = 'manual' } = options
  const quirks = parseQuirks(options.quirks ?? [])
  const host = readHost(options.host ?? '127.0.0.1')
  const state = await openState(options.state)
  const { store, kek } = state
  const stopping = new AbortController()
  const socket = await openSocket(port, host, stopping.signal).catch(async (error) => {
    await state.close()
    throw error
  })
  const { url } = socket
  try {
    const authority = await openAuthority({ store, kek, issuer: url, tenantId: seed?.tenantId, clock, ciba })
    const { tenantId, issuer } = authority.identity
    const seeded = await applySeed(store, seed, tenantId, clock())
    const { admin, delegations } = seeded
    const [first] = delegations
    if (first === undefined) throw new AuthsecError('usage', 'the seed has no delegation to start with')
    await seedPasswords({ store, seed: seeded.seed, place: options.state, chosen: passwords })
    await recordServer('server.started', authority, url)
    for (const delegation of delegations) await keepAlive(authority, delegation, 'start')
    const adminToken = await authority.sessions.start(admin)
    const app = createApp({ authority, serverUrl: url, stopping: stopping.signal, quirks, onSurprise })
    socket.serve(app)

    const renewals = setInterval(() => {
      for (const delegation of delegations) {
        keepAlive(authority, delegation, 'run').catch((error) => onSurprise(error, SERVER_ITSELF))
      }
    }, REGRANT_CHECK_MS).unref()

    const close = async () => {
      clearInterval(renewals)
      stopping.abort()
      await socket.close()
      // Whatever the disk says about the last record, the state is free afterwards.
      await recordServer('server.stopped', authority, url).finally(() => state.close())
    }
    let closed: Promise<void> | undefined

    return {
      url,
      issuer,
      tenantId,
      clientId: first.clientId,
      user: { id: first.user.id, email: first.user.email },
      adminToken,
      fetch: (request) => app(request),
      close: () => (closed ??= close()),
    }
  } catch (error) {
    await socket.close()
    await state.close()
    throw error
  }
}

function readHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, '$1')
  if (LOOPBACK.test(host)) return host
  throw new AuthsecError('usage', `${quote(text)} is not an address of this machine only`, {
    hint: 'Every process that reaches this server can act as every agent: bind to 127.0.0.1.',
  })
}

function recordServer(
  type: 'server.started' | 'server.stopped',
  { audit, identity }: Authority,
  url: string,
): Promise<void> {
  const draft = { type, actor: { type: 'server', id: identity.bootId }, details: { url } } as const
  return audit.attempt(draft, SERVER_ITSELF, (attempt) => attempt.commit())
}

// A delegation that somebody has revoked stays so until the next start.
async function keepAlive(
  { delegations, clock }: Authority,
  { clientId, agentType, user, audience, ttlSeconds }: SeededDelegation,
  when: 'start' | 'run',
): Promise<void> {
  const expiry = await delegations.findExpiry(clientId)
  if (expiry === undefined ? when === 'run' : expiry >= clock() + Math.min(REGRANT_MS, ttlSeconds * 500))
    return
  await delegations.grant({ clientId, agentType, audience, ttlSeconds }, user, SERVER_ITSELF)
}
