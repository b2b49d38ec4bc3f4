import { probeGeneration } from '../api/generation.js'
import type { OpenedSession } from '../api/login.js'
import { AuthsecError } from '../core/errors.js'
import type { Generation } from '../core/generation.js'
import { quote } from '../core/printable.js'
import type { Config } from './config.js'
import type { Context } from './context.js'
import type { SessionPlace } from './credentials.js'
import { type ConnectionFlags, isSamePlace, normalizeServerUrl, readSettings } from './settings.js'

/** Where somebody logs in, and the profile that remembers it. */
export interface LoginPlace {
  profile: string
  serverUrl: string
  generation: Generation
}

/**
 * Decides where to log in: the server that is named, otherwise the one in use. Its generation is asked for unless
 * it is given. Throws `configuration` when nobody names a server, `conflict` for a profile of another one.
 */
export async function findLoginPlace(
  context: Context,
  flags: ConnectionFlags & { generation?: Generation | undefined },
): Promise<LoginPlace> {
  const { config, environment, io, fetch } = context
  const serverUrl = await findServer(context, flags)
  const profile = await chooseProfile(config, serverUrl, flags.profile ?? environment.profile)
  const found = flags.generation ?? (await probeGeneration({ serverUrl, fetch }))
  if (found === undefined) {
    io.warn(
      `nothing tells which generation of AuthSec ${serverUrl} is: taken for A; --generation says otherwise`,
    )
  }
  return { profile, serverUrl, generation: found ?? 'A' }
}

/** Where the secret of the session will lie, decided before there is one. */
export async function findSessionPlace(
  { keychain }: Context,
  wanted: SessionPlace | undefined,
): Promise<SessionPlace> {
  if (wanted === 'file') return 'file'
  if (await keychain.answers()) return 'keychain'
  if (wanted === undefined) return 'file'
  throw new AuthsecError('configuration', 'no keychain answers on this machine', {
    hint: 'Unlock it, or use --store file.',
  })
}

/** Stores a session, and makes its profile the one in use. */
export async function keepSession(
  { config, credentials }: Context,
  { profile, serverUrl, generation }: LoginPlace,
  { accessToken, tenantId, expiresAt }: OpenedSession,
  place: SessionPlace,
): Promise<void> {
  const session = {
    access_token: accessToken,
    server_url: serverUrl,
    ...(expiresAt !== undefined && { expires_at: expiresAt }),
  }
  await credentials.write(profile, session, place)
  const known = (await config.read()).profiles[profile]
  await config.writeProfile(profile, {
    ...known,
    server_url: serverUrl,
    generation,
    ...(tenantId !== undefined && { tenant_id: tenantId }),
  })
  await config.useProfile(profile)
}

async function findServer(context: Context, flags: ConnectionFlags): Promise<string> {
  const named = flags.server ?? (flags.profile === undefined ? context.environment.server : undefined)
  if (named !== undefined) return normalizeServerUrl(named)
  const { server } = await readSettings(context, flags)
  if (server !== undefined && server.origin !== 'project') return server.value
  const problem =
    server === undefined
      ? 'no server is given'
      : `only ${quote(server.where, 200)} names the server ${server.value}`
  throw new AuthsecError('configuration', problem, {
    hint: 'Say where to log in, as in authsec login --server https://authsec.example.',
  })
}

async function chooseProfile(config: Config, serverUrl: string, name: string | undefined): Promise<string> {
  const { used, profiles } = await config.read()
  const isHere = (candidate: string) => isSamePlace(profiles[candidate]?.server_url ?? '', serverUrl)
  if (name === undefined) {
    const known = [...(used === undefined ? [] : [used]), ...Object.keys(profiles)].find(isHere)
    return known ?? nameAfter(serverUrl, profiles)
  }
  assertProfileName(name)
  if (!Object.hasOwn(profiles, name) || isHere(name)) return name
  throw new AuthsecError('conflict', `profile ${quote(name)} is for ${profiles[name]?.server_url}`, {
    hint: 'Choose another name, or delete that one with authsec profile delete.',
  })
}

/** Throws `usage` for what cannot name a profile. */
export function assertProfileName(name: string): void {
  if (/^[a-z0-9][\w.-]{0,62}$/i.test(name)) return
  throw new AuthsecError('usage', `${quote(name)} cannot name a profile`, {
    hint: 'Use up to 63 letters, digits, dots, dashes and underscores, a letter or digit first.',
  })
}

function nameAfter(serverUrl: string, profiles: Readonly<Record<string, unknown>>): string {
  const { host, pathname } = new URL(serverUrl)
  const name = `${host}${pathname}`
    .replace(/[^\w.-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
  const names = [name, ...Array.from({ length: 99 }, (_, index) => `${name}-${index + 2}`)]
  return names.find((candidate) => !Object.hasOwn(profiles, candidate)) ?? name
}
