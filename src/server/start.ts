import { SERVER_ITSELF } from '../authority/audit/log.js'
import type { CibaMode } from '../authority/ciba.js'
import { parseKeys } from '../authority/key-files.js'
import type { KeySource } from '../authority/key-source.js'
import type { Seed } from '../authority/seed.js'
import { assertSeed } from '../authority/seed-faults.js'
import { applySeed, isPlanted } from '../authority/seed-planting.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isLocalPostgres } from '../store/postgres-url.js'
import { isStoreFailure } from '../store/unavailable.js'
import { keepAlive } from './keep-alive.js'
import { parseQuirks } from './quirks.js'
import { runServer, type ServingOptions } from './run.js'
import { seedPasswords } from './seed-passwords.js'
import { type OpenState, openState, type StatePlace } from './state.js'
import { isOfTeam } from './team-state.js'

export interface ServerOptions extends ServingOptions, StatePlace {
  /** The key-encryption key, 32 bytes. A database needs it; without it a directory makes and keeps one of its own. */
  kek?: Uint8Array
  /** Whether the state may be in a database on this machine, as tests of several servers want it; default false. */
  allowDevPostgres?: boolean
  /**
   * Where its keys come from: its state (`persistent`, the default); this start, so that no token outlives the run
   * (`ephemeral`, except for the key of the audit log; not in a state that has keys of its own); or the text of PEM, a
   * JWK or a JWK Set with private keys, which sign in a new state. A JWK is for call tokens unless its
   * `authsec_purpose` says `base` or `audit`; with `"authsec_state": "prepared"` it is the next one to sign.
   */
  keys?: 'persistent' | 'ephemeral' | { import: string }
  /** A loopback address; default 127.0.0.1. */
  host?: string
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
  /** The key that signs its audit log, as `name+id+key`. */
  readonly verifierKey: string
  /** A session with `admin:access` that ends with this run. */
  readonly adminToken: string
  /** Signs what is recorded so far; returns the checkpoint. */
  readonly signHead: () => Promise<string>
  /** The server without its socket. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Answers what is under way, then frees the port and the state; a second call waits for the first. */
  close(): Promise<void>
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|::1)$/
const REGRANT_CHECK_MS = 60_000

/**
 * Starts AuthSec's offline server: opens or creates its state, binds, seeds, answers.
 *
 * Throws `usage` for an address beyond this machine, for an unknown quirk and for keys that cannot be imported,
 * `port_in_use`, `state_locked` naming the process that has the state, `state_newer`, `state_unreadable`, and
 * `temporarily_unavailable` where its disk is full or fails.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { seed, passwords = {}, onSurprise = () => {} } = options
  const host = readHost(options.host ?? '127.0.0.1')
  const quirks = parseQuirks(options.quirks ?? [])
  // Whatever can be wrong with a seed is found before there is a state.
  if (seed !== undefined) assertSeed(seed, { delegation: true })
  const keySource = await readKeySource(options)
  const plan = {
    state: await openDevState(options),
    mode: 'dev',
    host,
    tenantId: seed?.tenantId,
    keySource,
    rateLimits: options.rateLimits ?? 'off',
    ciba: options.ciba ?? 'manual',
    quirks,
  } as const
  const { url, authority, fetch, close, prepared } = await runServer(plan, options, async (opened) => {
    const { identity, clock, sessions, audit, delegations } = opened
    const { store } = plan.state
    const seeded = await applySeed({ store, audit, delegations }, seed, identity.tenantId, clock())
    const [first] = seeded.delegations
    if (first === undefined) throw new AuthsecError('usage', 'the seed has no delegation to start with')
    await seedPasswords({
      store,
      seed: seeded.seed,
      settled: seeded.withPassword,
      place: options.state,
      chosen: passwords,
    })
    for (const delegation of seeded.delegations) {
      // What an admin has taken away meanwhile ends the delegation, not the server.
      await keepAlive(opened, delegation, 'start').catch((error) => {
        if (!AuthsecError.is(error) || error.retryable || isStoreFailure(error)) throw error
        onSurprise(error, SERVER_ITSELF)
      })
    }
    return { ...seeded, first, adminToken: await sessions.start(seeded.admin) }
  })
  const { delegations, first, adminToken } = prepared
  const renewals = setInterval(() => {
    for (const delegation of delegations) {
      keepAlive(authority, delegation, 'run').catch((error) => onSurprise(error, SERVER_ITSELF))
    }
  }, REGRANT_CHECK_MS).unref()

  return {
    url,
    issuer: authority.identity.issuer,
    tenantId: authority.identity.tenantId,
    clientId: first.clientId,
    user: { id: first.user.id, email: first.user.email },
    verifierKey: authority.publishedLog.verifierKey,
    adminToken,
    async signHead() {
      await authority.sealing.seal()
      return authority.publishedLog.checkpoint()
    },
    fetch,
    close() {
      clearInterval(renewals)
      return close()
    },
  }
}

function readHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, '$1')
  if (LOOPBACK.test(host)) return host
  throw new AuthsecError('usage', `${quote(text)} is not an address of this machine only`, {
    hint: 'Every process that reaches this server can act as every agent: bind to 127.0.0.1.',
  })
}

async function readKeySource({ keys = 'persistent', store }: ServerOptions): Promise<KeySource> {
  if (keys === 'ephemeral' && store !== undefined) {
    throw new AuthsecError('usage', 'the keys of a database belong to all of its servers', {
      hint: 'Keys that end with a server need a state of its own: name a directory.',
    })
  }
  return typeof keys === 'string' ? keys : { imported: await parseKeys(keys.import, 'the import') }
}

// Whoever reaches a dev server can act as every agent: that must never be the agents of a team.
async function openDevState(options: ServerOptions): Promise<OpenState> {
  const { store, allowDevPostgres = false } = options
  if (store !== undefined && !(allowDevPostgres && isLocalPostgres(store))) {
    throw new AuthsecError('usage', 'a dev server keeps its state in no database', {
      hint: 'Share it with a team in mode shared; for tests a database on this machine can be allowed.',
    })
  }
  const state = await openState(options, options.kek)
  try {
    const issuer = store && (await state.store.settings.find('issuer'))
    if (issuer !== undefined && isOfTeam(issuer)) {
      throw new AuthsecError('configuration', `${state.name} belongs to the issuer ${quote(issuer, 200)}`, {
        hint: 'It is the state of a team: serve it in mode shared.',
      })
    }
    // A seed that cannot be read is found out before anything is recorded.
    await isPlanted(state.store)
    return state
  } catch (error) {
    await state.close()
    throw error
  }
}
