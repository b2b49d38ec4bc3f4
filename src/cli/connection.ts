import { type ApiTarget, assertSession } from '../api/http.js'
import { fetchMetadata } from '../api/metadata.js'
import { AuthsecError } from '../core/errors.js'
import type { Generation } from '../core/generation.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Context } from './context.js'
import { type ConnectionFlags, isSamePlace, readSettings, type Setting, type Settings } from './settings.js'

export type { ConnectionFlags } from './settings.js'

/** A server together with what is known about the one who calls it. */
export interface Connection {
  /** Where requests go; it carries the session that belongs to this very server, if there is one. */
  target: ApiTarget
  /** The client that is meant when no flag names one. */
  clientId: string | undefined
  /** The tenant as configured; the server may know better. */
  tenantId: string | undefined
  /** The generation of AuthSec that the server was found or said to be. */
  generation: Generation | undefined
  /** The name of the profile in use. */
  profile: string | undefined
  /** Where the session of the target comes from. */
  session: SessionSource | undefined
  /** Who is believed beside the server itself, as its profile says. */
  trustedIssuers: readonly string[]
  /**
   * The tenant: as configured, otherwise as the server says. Only requests with a session need it, so without one
   * it throws `login_required`; `configuration` when nobody knows the tenant.
   */
  findTenant(): Promise<string>
}

/** A session that is still good as far as its stored expiry says. */
export interface SessionSource {
  token: string
  place: 'environment' | 'keychain' | 'file'
  expiresAt: string | undefined
}

/**
 * Decides which server, tenant, client and session a command uses: flag over environment over project file over
 * profile. Reads files only, calls nobody. Throws `configuration` when no server is known, and for a tenant that is none.
 */
export async function openConnection(context: Context, flags: ConnectionFlags): Promise<Connection> {
  const settings = await readSettings(context, flags)
  const { server, profile, tenant_id, client_id, generation, trusted_issuers } = settings
  if (server === undefined) {
    throw new AuthsecError('configuration', 'no server is given', {
      hint: 'Start one with authsec dev serve, or name one with --server or AUTHSEC_SERVER.',
    })
  }
  const tenantId = tenant_id && readTenantId(tenant_id)
  announce(context, settings)
  const session = await findSession(context, settings)
  const target: ApiTarget = { serverUrl: server.value, session: session?.token, fetch: context.fetch }
  return {
    target,
    tenantId,
    clientId: client_id?.value,
    generation: generation?.value,
    profile: profile?.value,
    session,
    trustedIssuers: trusted_issuers?.value.split(',') ?? [],
    async findTenant() {
      assertSession(target)
      return tenantId ?? (await askTenant(target))
    },
  }
}

function readTenantId({ value, where }: Setting): string {
  const id = readUuid(value)
  if (id !== undefined) return id
  throw new AuthsecError('configuration', `the tenant ${quote(value)} of ${quote(where, 200)} is no UUID`, {
    hint: 'Correct it, or leave it out: the server is asked for it.',
  })
}

// What nobody named for this call is said aloud.
function announce({ io }: Context, { profile, server }: Settings): void {
  if (profile?.origin === 'default') io.note(`using profile ${profile.value} (${server?.value})`)
  else if (server?.origin === 'project') io.note(`using ${server.value}, as ${quote(server.where, 200)} says`)
}

// A session goes nowhere but to the server that issued it, or that its owner names.
async function findSession(
  { io, environment, credentials, clock }: Context,
  { server, profile }: Settings,
): Promise<SessionSource | undefined> {
  if (server === undefined) return undefined
  if (environment.token !== undefined) {
    assertHeaderText(environment.token)
    // Whoever wrote the project file could name a server of their own.
    if (server.origin !== 'project' || profile !== undefined) {
      return { token: environment.token, place: 'environment', expiresAt: undefined }
    }
    io.warn(`AUTHSEC_TOKEN is not sent to ${server.value}, which only a project file names: use --server`)
  }
  const stored = Object.entries(await credentials.list())
  const mine = stored.filter(([, { server_url }]) => isSamePlace(server.value, server_url))
  const [name, facts] = mine.find(([name]) => name === profile?.value) ?? mine[0] ?? []
  if (name === undefined || facts === undefined) return undefined
  const { expires_at: expiresAt, place } = facts
  if (expiresAt !== undefined && Date.parse(expiresAt) <= clock.now()) return undefined
  const token = await credentials.open(name)
  return token === undefined ? undefined : { token, place, expiresAt }
}

// What cannot stand in a header would be repeated by the error of whoever tries.
function assertHeaderText(token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return
  throw new AuthsecError('configuration', 'AUTHSEC_TOKEN is not a session token', {
    hint: 'Set it to the token alone, without white space or line breaks.',
  })
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
