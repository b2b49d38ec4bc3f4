import { SERVER_ITSELF } from '../authority/audit/log.js'
import { openAuthority } from '../authority/authority.js'
import { CHOSEN_PASSWORD_COST, hashPassword } from '../authority/passwords.js'
import { applySeed, type Seed } from '../authority/seed.js'
import { ADMIN_PERMISSION } from '../authority/sessions.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { runServer, type ServingOptions } from './run.js'
import { type OpenState, openState, type StatePlace } from './state.js'

/** A server for a team, behind a proxy that terminates TLS. */
export interface SharedServerOptions extends ServingOptions, StatePlace {
  /** The key-encryption key, 32 bytes; a shared server never makes one. */
  kek: Uint8Array
  /** The `https` URL by which everybody knows the server, without a path. */
  issuer: string
  /** The address to listen on; default 127.0.0.1. */
  host?: string
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
const ADMIN_ROLE = 'admin'

/**
 * Starts a server that a team shares: no default seed, no public pull, rate limits on. Throws `configuration` for
 * an issuer that is not the state's and for a state that has not been initialised, beside what `startServer` does.
 */
export async function startSharedServer(options: SharedServerOptions): Promise<SharedServer> {
  const { host = '127.0.0.1', rateLimits = 'shared' } = options
  const issuer = readIssuer(options.issuer)
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
 * admin. Throws `conflict` on a state that is not empty and `usage` for a password or an admin that cannot be.
 */
export async function initServer(
  options: InitOptions,
): Promise<{ tenantId: string; issuer: string; place: string }> {
  const { admin, clock = Date.now } = options
  const issuer = readIssuer(options.issuer)
  const seed = withAdmin(options.seed ?? EMPTY_SEED, admin.email)
  const hash = await hashPassword(admin.password, CHOSEN_PASSWORD_COST)
  const state = await openState(options, options.kek)
  const { store, kek } = state
  try {
    if ((await store.settings.find('tenant_id')) !== undefined) {
      throw new AuthsecError('conflict', `${state.name} has been initialised already`, {
        hint: 'One server serves one tenant: name another state for another one.',
      })
    }
    const authority = await openAuthority({
      store,
      kek,
      issuer,
      mode: 'shared',
      tenantId: seed.tenantId,
      clock,
      isBrief: true,
    })
    const { tenantId } = authority.identity
    const { delegations } = await applySeed({ store, audit: authority.audit }, seed, tenantId, clock())
    await store.write(async ({ users, passwords }) => {
      const user = await users.findByEmail(admin.email)
      if (user !== undefined) await passwords.replace({ userId: user.id, hash, failures: 0 })
    })
    for (const { user, ...grant } of delegations)
      await authority.delegations.grant(grant, user, SERVER_ITSELF)
    await authority.close()
    return { tenantId, issuer, place: state.name }
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
  if (known === undefined) {
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

function withAdmin(seed: Seed, email: string): Seed {
  const known = seed.users.find((user) => user.email === email)
  if (known !== undefined) {
    if (known.roles.some((role) => seed.roles[role]?.includes(ADMIN_PERMISSION))) return seed
    throw new AuthsecError('usage', `${quote(email)} has no role with ${ADMIN_PERMISSION} in the seed`)
  }
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new AuthsecError('usage', `${quote(email)} is not an e-mail address`)
  }
  const permissions = [...new Set([...(seed.roles[ADMIN_ROLE] ?? []), ADMIN_PERMISSION])]
  return {
    ...seed,
    roles: { ...seed.roles, [ADMIN_ROLE]: permissions },
    users: [...seed.users, { email, roles: [ADMIN_ROLE] }],
  }
}
