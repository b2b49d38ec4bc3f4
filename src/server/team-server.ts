import { randomUUID } from 'node:crypto'
import { openAuthority } from '../authority/authority.js'
import { installState } from '../authority/new-state.js'
import { CHOSEN_PASSWORD_COST, hashPassword } from '../authority/passwords.js'
import type { Seed } from '../authority/seed.js'
import { addAdmin } from '../authority/seed-admin.js'
import { assertSeed } from '../authority/seed-faults.js'
import { isPlanted, plantSeed } from '../authority/seed-planting.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Queries } from '../store/store.js'
import { assertApart } from './high-water.js'
import { describeEmptyState } from './reset.js'
import { runServer, type ServingOptions } from './run.js'
import { type OpenState, openState, type StatePlace } from './state.js'
import { isOfTeam } from './team-state.js'

/** A server for a team, behind a proxy that terminates TLS. */
export interface SharedServerOptions extends ServingOptions, StatePlace {
  /** The key-encryption key, 32 bytes; a shared server never makes one. */
  kek: Uint8Array
  /** The `https` URL by which everybody knows the server, without a path. */
  issuer: string
  /** The address to listen on; default 127.0.0.1. */
  host?: string
  /** The file that keeps the highest head of the audit log that was ever signed, apart from the state. */
  auditHighWater: string
}

export interface SharedServer {
  /** Where it listens; everybody else uses the issuer. */
  readonly url: string
  /** Where its state is kept; never a password. */
  readonly place: string
  readonly issuer: string
  readonly tenantId: string
  /** The key that signs its audit log, as `name+id+key`. */
  readonly verifierKey: string
  readonly fetch: (request: Request) => Promise<Response>
  close(): Promise<void>
}

/** The first start of a shared server. */
export interface InitOptions extends StatePlace, Pick<SharedServerOptions, 'kek' | 'issuer'> {
  seed?: Seed | undefined
  admin: { email: string; password: string }
  /** Milliseconds since the epoch. */
  clock?: () => number
}

/** What a shared server starts with when no seed says more: somebody who may administer it. */
const EMPTY_SEED: Seed = { roles: {}, users: [], resources: [], clients: [], policies: [], delegations: [] }

/** What a first start makes, where it may. */
interface FirstStart {
  issuer: string
  tenantId: string
  seed: Seed
  /** By e-mail address, hashed. */
  passwords: Readonly<Record<string, string>>
  clock: () => number
}

/**
 * Starts a server that a team shares: no default seed, no public pull, rate limits on. Throws `configuration` for
 * an issuer that is not the state's and for a state that has not been initialised, and `usage` for a high-water mark in
 * the state directory, beside what `startServer` does.
 */
export async function startSharedServer(options: SharedServerOptions): Promise<SharedServer> {
  const { host = '127.0.0.1', rateLimits = 'shared' } = options
  const issuer = readIssuer(options.issuer)
  if (options.state !== undefined) await assertApart(options.auditHighWater, options.state)
  const state = await openState(options, options.kek)
  try {
    await assertInitialised(state, issuer)
  } catch (error) {
    await state.close()
    throw error
  }
  const plan = { state, mode: 'shared', host, issuer, rateLimits } as const
  const { url, authority, fetch, close } = await runServer(plan, options, async () => undefined)
  return {
    url,
    place: state.name,
    issuer,
    tenantId: authority.identity.tenantId,
    verifierKey: authority.publishedLog.verifierKey,
    fetch,
    close,
  }
}

/**
 * Fills the empty state of a shared server, once: its tenant, its keys, its seed, and the password of its first
 * admin, all at once: whatever fails, it can be begun again. Throws `conflict` on a state that is not empty and `usage`
 * for a password, an admin or a seed that cannot be. Says which users have no password, and so cannot log in.
 */
export async function initServer(
  options: InitOptions,
): Promise<{ tenantId: string; issuer: string; place: string; withoutPassword: string[] }> {
  const { admin, clock = Date.now } = options
  const issuer = readIssuer(options.issuer)
  const seed = addAdmin(options.seed ?? EMPTY_SEED, admin.email)
  assertSeed(seed, { admin: admin.email })
  const passwords = { [admin.email]: await hashPassword(admin.password, CHOSEN_PASSWORD_COST) }
  // Decided before the state is looked at: by it two first starts know whose beginning there is.
  const { tenantId = randomUUID() } = seed
  const first: FirstStart = { issuer, tenantId, seed, passwords, clock }
  const state = await openState(options, options.kek)
  try {
    await makeRoom(state, first)
    await fill(state, first).catch(async (error) => {
      // Where a state is filled by somebody else meanwhile, or exchanged, that is why.
      if (AuthsecError.is(error, 'conflict') || AuthsecError.is(error, 'state_unreadable'))
        await assertNoRival(state, tenantId)
      throw error
    })
    const withoutPassword = seed.users
      .filter(({ email, password }) => email !== admin.email && password === undefined)
      .map(({ email }) => email)
    return { tenantId, issuer, place: state.name, withoutPassword }
  } finally {
    await state.close()
  }
}

function readIssuer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' && url.origin === text.replace(/\/$/, '')) return url.origin
  throw new AuthsecError('usage', `the issuer ${quote(text)} is not an https URL without a path`, {
    hint: 'Give the address by which everybody knows the server: --issuer https://authsec.example.',
  })
}

async function assertInitialised({ store }: OpenState, issuer: string): Promise<void> {
  const known = await store.settings.find('issuer')
  if (known === undefined || !(await isPlanted(store))) {
    throw new AuthsecError('configuration', 'the state of this server is empty', {
      hint: 'Name its first admin with: authsec dev init.',
    })
  }
  if (known !== issuer) {
    throw new AuthsecError('configuration', `the state belongs to the issuer ${quote(known, 200)}`, {
      hint: 'Start it with that --issuer: tokens name it, so it never changes.',
    })
  }
}

/**
 * Makes sure that a state is empty. What a first start has left that came to no end makes room: nobody has had anything
 * of it. Throws `conflict` for a state that has been filled, or is that of another kind of server.
 */
async function makeRoom({ store, name, kek }: OpenState, first: FirstStart): Promise<void> {
  const { tenantId, issuer, clock } = first
  if (!(await assertUnfilled(store, name))) return
  await installState(store, describeEmptyState({ tenantId, issuer, kek }), clock, (transaction) =>
    assertUnfilled(transaction, name),
  )
}

async function fill(state: OpenState, first: FirstStart): Promise<void> {
  const { store, kek } = state
  const { issuer, tenantId, seed, passwords, clock } = first
  const named = { issuer, mode: 'shared', tenantId } as const
  const { audit, delegations, close } = await openAuthority({ ...named, store, kek, clock, isBrief: true })
  try {
    // What another first start began a moment ago has been taken up instead.
    await assertNoRival(state, tenantId)
    await plantSeed({ store, audit, delegations, passwords }, seed, tenantId, clock())
  } finally {
    await close()
  }
}

/** Throws `conflict` where another first start has filled a state meanwhile, or begun anew what this one had begun. */
async function assertNoRival({ store, name }: OpenState, tenantId: string): Promise<void> {
  const isBegun = await assertUnfilled(store, name)
  if (!isBegun || (await store.settings.find('tenant_id')) === tenantId) return
  throw new AuthsecError('conflict', `${name} is being initialised by another command`, {
    hint: 'Wait for its end, and begin again if it fails.',
  })
}

/** Whether a first start has left something; throws `conflict` as `makeRoom` does. */
async function assertUnfilled(queries: Pick<Queries, 'settings' | 'users'>, name: string): Promise<boolean> {
  const former = await queries.settings.find('issuer')
  if (former === undefined) return false
  if (isOfTeam(former) && !(await isPlanted(queries))) return true
  throw new AuthsecError('conflict', `${name} has been initialised already`, {
    hint: 'One server serves one tenant: name another state for another one.',
  })
}
