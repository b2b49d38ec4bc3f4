import { isIPv6 } from 'node:net'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import { type Provenance, SERVER_ITSELF } from '../authority/audit/log.js'
import { type Authority, openAuthority } from '../authority/authority.js'
import { applySeed, DEV_SEED, type Seed, type Seeded } from '../authority/seed.js'
import { AUTHSEC_AUDIENCE, MAX_BASE_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { type App, createApp } from './app.js'
import { seedPasswords } from './seed-passwords.js'
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
  /** Who and what a new state starts with. */
  seed?: Seed
  /**
   * The passwords of seeded users by e-mail address. Those not named keep theirs from the state directory, where
   * random ones lie in `passwords.json` (readable by its owner only) since the first start.
   */
  passwords?: Readonly<Record<string, string>>
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
const DRAIN_MS = 2_000
// Below this much life the seeded delegation is granted anew, so that the demo agent always works.
const REGRANT_MS = 3_600_000
const REGRANT_CHECK_MS = 60_000

/**
 * Starts AuthSec's offline server: opens or creates its state, binds, seeds, answers.
 *
 * Throws `usage` for an address beyond this machine, `port_in_use`, `state_locked` naming the process that has
 * the state, `state_newer` and `state_unreadable`.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { port = DEFAULT_PORT, clock = Date.now, seed = DEV_SEED } = options
  const host = readHost(options.host ?? '127.0.0.1')
  const state = await openState(options.state)
  const { store, kek } = state
  const stopping = new AbortController()
  const { socket, serve } = createSocket(stopping.signal)
  try {
    const url = await listen(socket, port, host)
    const authority = await openAuthority({ store, kek, issuer: url, clock })
    const seeded = await applySeed(store, seed, authority.identity.tenantId, clock())
    await seedPasswords({ store, seed, place: options.state, chosen: options.passwords ?? {} })
    await recordServer('server.started', authority, url)
    const isRunningOut = (expiry: number) => expiry < clock() + REGRANT_MS
    const expiry = await authority.delegations.findExpiry(seeded.agentId)
    if (expiry === undefined || isRunningOut(expiry)) await grantSeeded(authority, seeded, seed)
    const adminToken = await authority.sessions.start(seeded.admin)
    const onSurprise = options.onSurprise ?? (() => {})
    const app = createApp({ authority, serverUrl: url, stopping: stopping.signal, onSurprise })
    serve(app)

    // A delegation that somebody has revoked stays so until the next start.
    const renew = async () => {
      const current = await authority.delegations.findExpiry(seeded.agentId)
      if (current !== undefined && isRunningOut(current)) await grantSeeded(authority, seeded, seed)
    }
    const renewals = setInterval(
      () => void renew().catch((error) => onSurprise(error, SERVER_ITSELF)),
      REGRANT_CHECK_MS,
    ).unref()

    const close = async () => {
      clearInterval(renewals)
      stopping.abort()
      await closeSocket(socket)
      // Whatever the disk says about the last record, the state is free afterwards.
      await recordServer('server.stopped', authority, url).finally(() => state.close())
    }
    let closed: Promise<void> | undefined

    return {
      url,
      issuer: authority.identity.issuer,
      tenantId: authority.identity.tenantId,
      clientId: seeded.agentId,
      user: { id: seeded.delegator.id, email: seeded.delegator.email },
      adminToken,
      fetch: (request) => app(request),
      close: () => (closed ??= close()),
    }
  } catch (error) {
    await closeSocket(socket)
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

// The app has to know its port, so the port comes first and early requests wait for the app.
function createSocket(stopping: AbortSignal): { socket: ServerType; serve: (app: App) => void } {
  let serve: (app: App) => void = () => {}
  const ready = new Promise<App>((resolve) => {
    serve = resolve
  })
  const socket = createAdaptorServer({
    async fetch(request, { incoming }) {
      const response = await (await ready)(request, { ip: incoming.socket.remoteAddress })
      // A connection that is kept alive would hold up the end of the server.
      if (stopping.aborted) response.headers.set('connection', 'close')
      return response
    },
  })
  return { socket, serve }
}

function listen(socket: ServerType, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => reject(explainListenFailure(error, port, host)))
    socket.listen(port, host, () => {
      const address = socket.address()
      const actual = typeof address === 'object' && address !== null ? address.port : port
      resolve(`http://${isIPv6(host) ? `[${host}]` : host}:${actual}`)
    })
  })
}

function explainListenFailure(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') {
    return new AuthsecError('port_in_use', `port ${port} on ${host} is in use`, {
      hint: 'Stop what uses it, or let --port 0 pick a free one.',
      cause: error,
    })
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL' || error.code === 'ERR_SOCKET_BAD_PORT') {
    return new AuthsecError('usage', `cannot listen on port ${port} of ${host} (${error.code})`, {
      cause: error,
    })
  }
  return error
}

async function closeSocket(socket: ServerType): Promise<void> {
  if (!socket.listening) return
  const closed = new Promise<void>((resolve) => {
    socket.close(() => resolve())
  })
  if ('closeIdleConnections' in socket) socket.closeIdleConnections()
  const deadline = setTimeout(() => {
    if ('closeAllConnections' in socket) socket.closeAllConnections()
  }, DRAIN_MS)
  await closed
  clearTimeout(deadline)
}

function recordServer(
  type: 'server.started' | 'server.stopped',
  { audit, identity }: Authority,
  url: string,
): Promise<void> {
  const draft = { type, actor: { type: 'server', id: identity.bootId }, details: { url } } as const
  return audit.attempt(draft, SERVER_ITSELF, (attempt) => attempt.commit())
}

function grantSeeded(
  { delegations }: Authority,
  { agentId, delegator }: Seeded,
  seed: Seed,
): Promise<unknown> {
  return delegations.grant(
    {
      clientId: agentId,
      agentType: seed.agent.agentType,
      audience: [AUTHSEC_AUDIENCE],
      ttlSeconds: MAX_BASE_TTL,
    },
    delegator,
    SERVER_ITSELF,
  )
}
