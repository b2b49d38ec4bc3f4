import { setTimeout as delay } from 'node:timers/promises'
import { type Provenance, SERVER_ITSELF } from '../authority/audit/log.js'
import { createRetention } from '../authority/audit/retention.js'
import { type Authority, openAuthority } from '../authority/authority.js'
import type { CibaMode } from '../authority/ciba.js'
import type { Mode } from '../authority/client-authentication.js'
import { createClockWatch } from '../authority/clock-watch.js'
import { createForgetting } from '../authority/forgetting.js'
import { completeTimings, type KeyTimings } from '../authority/key-sets.js'
import type { KeySource } from '../authority/key-source.js'
import type { ReplicaTimings } from '../authority/replica.js'
import { createRoom } from '../authority/room.js'
import type { AuditEventType } from '../core/audit-record.js'
import type { Checkpoint } from '../core/checkpoint.js'
import type { Store } from '../store/store.js'
import { createApp } from './app.js'
import type { QuirkName } from './quirks.js'
import { createRateLimiter, RATE_LIMITS, type RateLimitsName } from './rate-limits.js'
import { openSocket } from './socket.js'
import type { OpenState } from './state.js'
import { startUpkeep } from './upkeep.js'

/** AuthSec's own port. */
export const DEFAULT_PORT = 7468

/** How long what is recorded stays unsigned at most, in milliseconds. */
const SEAL_EVERY_MS = 1_000

/** How many refusals in a second the audit log tells one by one. */
const REFUSALS = { dev: { inAll: 100 }, shared: { inAll: 100, perNetwork: 10, perClient: 10 } } as const

/** How a server meets the network, in either mode. */
export interface ServingOptions {
  /** 0 picks a free one; default 7468. */
  port?: number
  /** Milliseconds since the epoch. */
  clock?: () => number
  /** Host names that the server answers to beside this machine's and its issuer's. */
  allowedHosts?: readonly string[]
  /** Origins of pages that may use what clients use (CORS), never a pull, a login or an admin's; none by default. */
  origins?: readonly string[]
  /** How many requests one address may send; default `off` in dev mode, `shared` in shared mode. */
  rateLimits?: RateLimitsName
  /** Addresses of reverse proxies, whose `X-Forwarded-For` is believed. */
  proxies?: readonly string[]
  /** When keys are replaced, and how long what they sign lives. */
  keyTimings?: KeyTimings | undefined
  /** How the servers of one database notice each other. */
  replicaTimings?: ReplicaTimings | undefined
  /** For how long it goes on answering when it is asked to stop, while `/readyz` sends everybody elsewhere; default 0. */
  drainSeconds?: number | undefined
  /** Whether a clock that is far behind the audit log is right all the same; default false. */
  acceptClock?: boolean | undefined
  /**
   * Heads of audit logs that this machine has seen: a state whose log does not go on from there is an older copy, and is
   * refused with `state_rolled_back`.
   */
  seenHeads?: readonly Checkpoint[] | undefined
  /** How long a record of the audit log is kept, in seconds; default: for ever. */
  auditRetentionSeconds?: number | undefined
  /** How long addresses and user agents are kept beside it, in seconds; default: as long as the records. */
  personalRetentionSeconds?: number | undefined
  /** Told of faults inside the server. */
  onSurprise?: (error: unknown, provenance: Provenance) => void
}

/** What the mode of a server settles. */
interface Plan {
  state: OpenState
  mode: Mode
  host: string
  /** Default: where it listens. */
  issuer?: string
  tenantId?: string | undefined
  rateLimits: RateLimitsName
  keySource?: KeySource
  /** Who answers what programs ask people for. */
  ciba?: CibaMode
  /** What the real server does that is dangerous, and somebody asked for. */
  quirks?: ReadonlySet<QuirkName>
}

/** A server that answers. */
export interface Serving {
  readonly url: string
  readonly authority: Authority
  readonly fetch: (request: Request) => Promise<Response>
  /**
   * Lets everybody go elsewhere, answers what is under way, then frees the port and the state; a second call waits for
   * the first.
   */
  close(): Promise<void>
}

/**
 * Takes the port, opens the authority over the state, lets `prepare` do what comes before the first answer, and
 * answers. Whatever fails, the port and the state are given back.
 */
export async function runServer<T>(
  plan: Plan,
  options: ServingOptions,
  prepare: (authority: Authority) => Promise<T>,
): Promise<Serving & { prepared: T }> {
  const { state, mode, host, tenantId, keySource, ciba, quirks } = plan
  const { port = DEFAULT_PORT, clock = Date.now, onSurprise = () => {}, proxies = [], keyTimings } = options
  const { drainSeconds = 0 } = options
  const { store, kek, highWater } = state
  const leaving = new AbortController()
  const stopping = new AbortController()
  const socket = await openSocket(port, host, stopping.signal).catch(async (error) => {
    await state.close()
    throw error
  })
  const { url } = socket
  // In shared mode a proxy stands in front: the only address that anybody uses is the issuer.
  const serverUrl = plan.issuer ?? url
  let leave = async () => {}
  try {
    const { skewSeconds } = completeTimings(keyTimings ?? {})
    const watch = createClockWatch(clock, skewSeconds)
    const onFailure = (error: unknown) => onSurprise(error, SERVER_ITSELF)
    const room = createRoom({ readSpace: state.readSpace, onShortage: onFailure, clock })
    await room.upkeep()
    const authority = await openAuthority({
      store,
      kek,
      issuer: serverUrl,
      mode,
      tenantId,
      keySource,
      keyTimings,
      replicaTimings: options.replicaTimings,
      clock: watch.read,
      assertClock: watch.assertForward,
      highWater,
      seenHeads: options.seenHeads,
      refusals: REFUSALS[mode],
      room,
      onFailure,
      ...(ciba && { ciba }),
    })
    leave = authority.close
    // A log that is not the one that was signed is found out before anything is added to it.
    await authority.sealing.seal()
    await watch.resume(store, options.acceptClock ?? false)
    const { issuer } = authority.identity
    await recordRecovery(authority, store)
    await recordRun('server.started', authority, url)
    await watch.recordSteps(authority.audit)
    await authority.delegationEnds.upkeep()
    const prepared = await prepare(authority)
    const own = [issuer, serverUrl].map((address) => new URL(address))
    const app = createApp({
      authority,
      mode,
      serverUrl,
      gate: {
        hosts: [...own.map(({ hostname }) => hostname), ...(options.allowedHosts ?? [])],
        ownOrigins: own.map(({ origin }) => origin),
        origins: options.origins ?? [],
      },
      limiter: createRateLimiter(RATE_LIMITS[plan.rateLimits], clock),
      proxies,
      ...(quirks && { quirks }),
      leaving: leaving.signal,
      stopping: stopping.signal,
      onSurprise,
    })
    await authority.sealing.seal()
    socket.serve(app)
    state.announce(url)
    const { audit, sealing } = authority
    const { auditRetentionSeconds: retentionSeconds, personalRetentionSeconds: personalSeconds } = options
    const retention = createRetention({ store, audit, sealing, clock, retentionSeconds, personalSeconds })
    const forgetting = createForgetting({ store, clock: watch.read, skewSeconds })
    const chores = [authority.keys, authority.delegationEnds, forgetting, retention, room]
    const upkeeps = chores.map(({ upkeep }) => startUpkeep({ upkeep, clock, onSurprise }))
    const seals = setInterval(() => {
      watch
        .recordSteps(authority.audit)
        .catch(onFailure)
        .then(() => authority.sealing.seal())
        .catch(onFailure)
    }, SEAL_EVERY_MS).unref()

    const close = async () => {
      leaving.abort()
      if (drainSeconds > 0) await delay(drainSeconds * 1000)
      stopping.abort()
      clearInterval(seals)
      await socket.close()
      await Promise.all(upkeeps.map((upkeep) => upkeep.stop()))
      await authority.audit.flushRefusals().catch(onFailure)
      await authority.auditReads.flush().catch(onFailure)
      // Whatever the disk says about the last record, the state is free afterwards.
      await recordRun('server.stopped', authority, url)
        .then(() => authority.sealing.seal())
        .finally(leave)
        .finally(() => state.close())
    }
    let closed: Promise<void> | undefined
    return {
      url,
      authority,
      prepared,
      fetch: (request) => app(request),
      close: () => (closed ??= close()),
    }
  } catch (error) {
    await socket.close()
    await leave().finally(() => state.close())
    throw error
  }
}

/**
 * Records that the run before came to no end of its own: nothing that it answered is lost, but what it had only counted
 * is. Of a store that others may have open nobody knows which run was the last.
 */
async function recordRecovery({ audit, identity }: Authority, { isAlone }: Store): Promise<void> {
  if (!isAlone) return
  const findLast = async (type: AuditEventType) => {
    const filter = [{ field: 'type', operator: '=', value: type }] as const
    return (await audit.search({ filter, limit: 1, newest: true }))[0]
  }
  const [started, stopped] = [await findLast('server.started'), await findLast('server.stopped')]
  if (started === undefined || (stopped?.seq ?? -1) > started.seq) return
  const { boot, occurred_at: since } = started.event
  const actor = { type: 'server', id: identity.bootId } as const
  const draft = { type: 'server.recovered', actor, details: { boot, since } } as const
  await audit.attempt(draft, SERVER_ITSELF, (attempt) => attempt.commit())
}

function recordRun(
  type: 'server.started' | 'server.stopped',
  { audit, identity }: Authority,
  url: string,
): Promise<void> {
  const draft = { type, actor: { type: 'server', id: identity.bootId }, details: { url } } as const
  return audit.attempt(draft, SERVER_ITSELF, (attempt) => attempt.commit())
}
