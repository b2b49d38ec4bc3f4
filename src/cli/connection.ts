import { type ApiTarget, assertSession } from '../api/http.js'
import { fetchMetadata } from '../api/metadata.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isLoopback, parseServerUrl } from '../core/server-url.js'
import type { Profile } from './config.js'
import type { Context } from './context.js'

/** The flags that say which server is meant. */
export interface ConnectionFlags {
  server?: string | undefined
  profile?: string | undefined
}

/** A server together with what is known about the one who calls it. */
export interface Connection {
  /** Where requests go; it carries the session that belongs to this very server, if there is one. */
  target: ApiTarget
  /** The client that is meant when no flag names one. */
  clientId: string | undefined
  /** The tenant as configured; the server may know better. */
  tenantId: string | undefined
  /**
   * The tenant: as configured, otherwise as the server says. Only requests with a session need it, so without one
   * it throws `login_required`; `configuration` when nobody knows the tenant.
   */
  findTenant(): Promise<string>
}

/** The profile that `dev serve` writes, and that is used when nothing else says otherwise. */
export const DEV_PROFILE = 'dev'

/**
 * Decides which server, tenant, client and session a command uses: flag over environment over profile. Reads
 * files only, calls nobody. Throws `configuration` when no server is known.
 */
export async function openConnection(context: Context, flags: ConnectionFlags): Promise<Connection> {
  const { environment, config, fetch } = context
  const named = flags.server ?? environment.server
  const server = named === undefined ? undefined : normalizeServerUrl(named)
  const found = await findProfile(await config.readProfiles(), flags.profile ?? environment.profile, server)
  if (server === undefined && found === undefined) {
    throw new AuthsecError('configuration', 'no server is given', {
      hint: 'Start one with authsec dev serve, or name one with --server or AUTHSEC_SERVER.',
    })
  }
  const serverUrl = server ?? normalizeServerUrl(found?.profile.server_url ?? '')
  if (found?.isImplied) context.io.note(`using profile ${found.name} (${serverUrl})`)

  assertHeaderText(environment.token)
  const session = environment.token ?? (await findSession(context, serverUrl, found?.name))
  const target: ApiTarget = { serverUrl, session, fetch }
  const tenantId = environment.tenantId ?? found?.profile.tenant_id
  return {
    target,
    tenantId,
    clientId: environment.clientId ?? found?.profile.client_id,
    async findTenant() {
      assertSession(target)
      return tenantId ?? (await askTenant(target))
    },
  }
}

interface FoundProfile {
  name: string
  profile: Profile
  /** Whether nobody named it, so that it has to be announced. */
  isImplied: boolean
}

async function findProfile(
  profiles: Readonly<Record<string, Profile>>,
  name: string | undefined,
  server: string | undefined,
): Promise<FoundProfile | undefined> {
  if (name !== undefined) {
    const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined
    if (profile === undefined) {
      const known = Object.keys(profiles).join(', ')
      throw new AuthsecError('configuration', `no profile is named ${quote(name)}`, {
        hint:
          known === ''
            ? 'There is none yet: authsec dev serve makes the profile dev.'
            : `Profiles: ${known}.`,
      })
    }
    // A server named elsewhere wins, and what the profile says about another one is worth nothing there.
    const isMeant = server === undefined || isSamePlace(server, profile.server_url)
    return isMeant ? { name, profile, isImplied: false } : undefined
  }
  if (server !== undefined) {
    const entry = Object.entries(profiles).find(([, profile]) => isSamePlace(server, profile.server_url))
    return entry && { name: entry[0], profile: entry[1], isImplied: false }
  }
  const profile = profiles[DEV_PROFILE]
  return profile && { name: DEV_PROFILE, profile, isImplied: true }
}

// A stored session goes nowhere but to the server that issued it.
async function findSession(
  { credentials, clock }: Context,
  serverUrl: string,
  profileName: string | undefined,
): Promise<string | undefined> {
  const stored = Object.entries(await credentials.read())
  const mine = stored.filter(([, credential]) => isSamePlace(serverUrl, credential.server_url))
  const [, credential] = mine.find(([name]) => name === profileName) ?? mine[0] ?? []
  if (credential?.expires_at !== undefined && Date.parse(credential.expires_at) <= clock.now()) {
    return undefined
  }
  return credential?.access_token
}

// What cannot stand in a header would be repeated by the error of whoever tries.
function assertHeaderText(token: string | undefined): void {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return
  throw new AuthsecError('configuration', 'AUTHSEC_TOKEN is not a session token', {
    hint: 'Set it to the token alone, without white space or line breaks.',
  })
}

// As it is compared and stored: without a slash at the end.
function normalizeServerUrl(address: string): string {
  const url = parseServerUrl(address)
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

async function askTenant(target: ApiTarget): Promise<string> {
  const { tenantId } = await fetchMetadata(target)
  if (tenantId === undefined) {
    throw new AuthsecError('configuration', `${target.serverUrl} does not say which tenant it serves`, {
      hint: 'Set AUTHSEC_TENANT to the UUID of the tenant.',
    })
  }
  return tenantId
}

function isSamePlace(one: string, other: string): boolean {
  return placeOf(one) === placeOf(other)
}

// 127.0.0.1, localhost and [::1] on one port are one place.
function placeOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const url = new URL(address)
  if (isLoopback(url)) url.hostname = 'localhost'
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}
