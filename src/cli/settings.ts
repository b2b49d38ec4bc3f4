import { AuthsecError } from '../core/errors.js'
import { GENERATIONS, type Generation } from '../core/generation.js'
import { quote } from '../core/printable.js'
import { isLoopback, parseServerUrl } from '../core/server-url.js'
import type { ConfigContent, Profile } from './config.js'
import { type Context, findVariable } from './context.js'
import type { Project } from './project-file.js'

/** What is settled before a command calls a server, with what it means. */
export const SETTING_MEANINGS = {
  profile: 'the profile that is used when nothing names one',
  server: 'address of the server',
  tenant_id: 'UUID of the tenant, or workspace',
  client_id: 'the client that is meant when no flag names one',
  generation: `the generation of AuthSec that the server is: ${GENERATIONS.join(', ')}`,
  trusted_issuers: 'issuers beside the server that token verify believes, separated by commas',
} as const

export type SettingName = keyof typeof SETTING_MEANINGS

/** A value and who said so, in the order of precedence. */
export interface Setting<V = string> {
  /** Several issuers are separated by commas. */
  value: V
  origin: 'flag' | 'environment' | 'project' | 'profile' | 'default'
  /** The flag, the variable, the file or the profile that says so. */
  where: string
}

/** A setting with its name. */
export interface NamedSetting extends Setting {
  name: SettingName
}

/** The flags that say which server is meant. */
export interface ConnectionFlags {
  server?: string | undefined
  profile?: string | undefined
}

/** What is settled; the server may be missing, where nobody names one. */
export interface Settings {
  profile: Setting | undefined
  /** Without a slash at the end. */
  server: Setting | undefined
  tenant_id: Setting | undefined
  client_id: Setting | undefined
  generation: Setting<Generation> | undefined
  /** Issuers beside the server itself that are believed, as the profile says and nobody else; separated by commas. */
  trusted_issuers: Setting | undefined
}

/** The profile that `dev serve` writes, and that is used when nothing else says otherwise. */
export const DEV_PROFILE = 'dev'

/**
 * Settles which server, profile, tenant and client are meant: flag over environment over project file over profile
 * over default. Reads files only. Throws `configuration` for an unknown profile and for what is no address.
 */
export async function readSettings(context: Context, flags: ConnectionFlags): Promise<Settings> {
  const { environment, config } = context
  const [content, project] = [await config.read(), await context.project.read()]
  const names = listProfileNames(context, flags, content, project)
  const servers = listServers(context, flags, project)

  // A profile outranks a server that is named further down: each speaker is heard as a whole.
  const [name] = names
  const [server] = servers.filter(({ origin }) => name === undefined || rankOf(origin) <= rankOf(name.origin))
  const found = findProfile(content, name, server)
  const profile = found && content.profiles[found.value]
  const from = found && { origin: 'profile' as const, where: `profile ${found.value}` }
  const settled = server ?? (from && { value: normalizeServerUrl(profile?.server_url ?? ''), ...from })

  const stated = describesServer(project, settled) ? project : undefined
  const pick = (variable: 'tenantId' | 'clientId', member: 'tenant_id' | 'client_id') => {
    const said = environment[variable]
    return said !== undefined
      ? { value: said, origin: 'environment' as const, where: findVariable(environment, variable) }
      : (readStated(stated, member) ?? readProfileMember(profile, from, member))
  }
  return {
    profile: found,
    server: settled,
    tenant_id: pick('tenantId', 'tenant_id'),
    client_id: pick('clientId', 'client_id'),
    generation: readProfileMember(profile, from, 'generation'),
    trusted_issuers: from && joinIssuers(profile, from),
  }
}

/** What is settled here, as rows; what nobody says is left out. */
export async function listSettings(context: Context): Promise<NamedSetting[]> {
  const settings = await readSettings(context, {})
  const names = Object.keys(SETTING_MEANINGS) as SettingName[]
  return names.flatMap((name) => {
    const setting = settings[name]
    return setting === undefined ? [] : [{ name, ...setting }]
  })
}

/** Reads the name of a setting; throws `usage`. */
export function parseSettingName(text: string): SettingName {
  const names = Object.keys(SETTING_MEANINGS) as SettingName[]
  const name = names.find((candidate) => candidate === text)
  if (name !== undefined) return name
  throw new AuthsecError('usage', `${quote(text)} is not a setting`, {
    hint: `Settings: ${names.join(', ')}.`,
  })
}

/** Whether two addresses are one server: 127.0.0.1, localhost and [::1] on one port are one place. */
export function isSamePlace(one: string, other: string): boolean {
  return placeOf(one) === placeOf(other)
}

/** An address as it is compared and stored: without a slash at the end. Throws `configuration`. */
export function normalizeServerUrl(address: string): string {
  const url = parseServerUrl(address)
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** Throws `configuration` naming the profiles there are, or `not_found` where it is what is asked for. */
export function requireProfile(
  { profiles }: ConfigContent,
  name: string,
  code: 'configuration' | 'not_found' = 'configuration',
): Profile {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined
  if (profile !== undefined) return profile
  const known = Object.keys(profiles).join(', ')
  throw new AuthsecError(code, `no profile is named ${quote(name)}`, {
    hint:
      known === ''
        ? 'There is none yet: authsec dev serve makes the profile dev, authsec login one for its server.'
        : `Profiles: ${known}.`,
  })
}

const RANKS = ['flag', 'environment', 'project', 'profile', 'default'] as const

function rankOf(origin: Setting['origin']): number {
  return RANKS.indexOf(origin)
}

function listProfileNames(
  { environment, config }: Context,
  flags: ConnectionFlags,
  { used }: ConfigContent,
  project: Project | undefined,
): Setting[] {
  return present([
    { value: flags.profile, origin: 'flag', where: '--profile' },
    { value: environment.profile, origin: 'environment', where: 'AUTHSEC_PROFILE' },
    { value: project?.settings.profile, origin: 'project', where: project?.path ?? '' },
    { value: used, origin: 'profile', where: config.path },
  ])
}

function listServers(
  { environment }: Context,
  flags: ConnectionFlags,
  project: Project | undefined,
): Setting[] {
  const servers = present([
    { value: flags.server, origin: 'flag', where: '--server' },
    { value: environment.server, origin: 'environment', where: findVariable(environment, 'server') },
    { value: project?.settings.server, origin: 'project', where: project?.path ?? '' },
  ])
  return servers.slice(0, 1).map((server) => ({ ...server, value: normalizeServerUrl(server.value) }))
}

function present(settings: readonly (Omit<Setting, 'value'> & { value: string | undefined })[]): Setting[] {
  return settings.flatMap(({ value, ...said }) => (value === undefined ? [] : [{ ...said, value }]))
}

// A profile that speaks of another server than the one in use is worth nothing there.
function findProfile(
  content: ConfigContent,
  name: Setting | undefined,
  server: Setting | undefined,
): Setting | undefined {
  if (server === undefined) {
    if (name && requireProfile(content, name.value)) return name
    return Object.hasOwn(content.profiles, DEV_PROFILE)
      ? { value: DEV_PROFILE, origin: 'default', where: 'authsec dev serve' }
      : undefined
  }
  const isChosen = name !== undefined && ['flag', 'environment'].includes(name.origin)
  const named = isChosen ? requireProfile(content, name.value) : name && content.profiles[name.value]
  if (named && isSamePlace(server.value, named.server_url)) return name
  if (isChosen) return undefined
  const entry = Object.entries(content.profiles).find(([, { server_url }]) =>
    isSamePlace(server.value, server_url),
  )
  return entry && { ...server, value: entry[0] }
}

function describesServer(project: Project | undefined, server: Setting | undefined): boolean {
  const stated = project?.settings.server
  return stated === undefined || (server !== undefined && isSamePlace(stated, server.value))
}

function readStated(project: Project | undefined, member: 'tenant_id' | 'client_id'): Setting | undefined {
  const value = project?.settings[member]
  return value === undefined ? undefined : { value, origin: 'project', where: project?.path ?? '' }
}

function joinIssuers(
  { trusted_issuers: issuers = [] }: Partial<Profile> = {},
  from: { origin: 'profile'; where: string },
): Setting | undefined {
  return issuers.length === 0 ? undefined : { value: issuers.join(','), ...from }
}

function readProfileMember<M extends 'tenant_id' | 'client_id' | 'generation'>(
  profile: Profile | undefined,
  from: { origin: 'profile'; where: string } | undefined,
  member: M,
): Setting<NonNullable<Profile[M]>> | undefined {
  const value = profile?.[member]
  return value === undefined || from === undefined ? undefined : { value, ...from }
}

function placeOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const url = new URL(address)
  if (isLoopback(url)) url.hostname = 'localhost'
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}
