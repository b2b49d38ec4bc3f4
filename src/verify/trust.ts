import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isSameServer } from '../core/server-url.js'
import type { Json } from '../core/strict-json.js'
import { fetchJson } from './fetch-json.js'
import { createRemoteKeySet, createStaticKeySet, type KeySet } from './key-set.js'
import type { ProfileName } from './profile.js'
import type { Settings } from './settings.js'
import { createSingleFlight } from './single-flight.js'

/** Whom a verifier believes when it looks at one kind of token. Nothing of it is ever taken from a token. */
export interface Trust {
  issuers: readonly string[]
  /** The only tenant that counts; undefined where any does. */
  tenant: string | undefined
  keys: KeySet
}

export type TrustByProfile = ReadonlyMap<ProfileName, Trust>

/** Where trust comes from: the options alone, or the metadata of the server they name. */
export interface TrustSource {
  /** Reads the server's metadata once; a failed attempt is repeated after 1, 2, 4 … 30 seconds. */
  learn(): Promise<TrustByProfile>
  /** What was learned, without waiting; throws before anything was. */
  learned(): TrustByProfile
}

/** Finds out whom to believe, asking the network only where the options leave something open. */
export function createTrustSource(settings: Settings): TrustSource {
  const { source, tenant, profiles } = settings
  if ('keys' in source) {
    const keys =
      source.keys instanceof URL ? openKeys(source.keys, settings) : createStaticKeySet(source.keys)
    return knownTrust(profiles.map((name) => [name, { issuers: source.issuers, tenant, keys }]))
  }
  if (tenant !== undefined && !profiles.includes('call')) {
    return knownTrust([['base', trustTenant(source.serverUrl, tenant, settings)]])
  }
  return learnTrust(source.serverUrl, settings)
}

function knownTrust(entries: readonly (readonly [ProfileName, Trust])[]): TrustSource {
  const trust = new Map(entries)
  return { learn: async () => trust, learned: () => trust }
}

function learnTrust(serverUrl: URL, settings: Settings): TrustSource {
  let trust: TrustByProfile | undefined
  const flight = createSingleFlight(async () => {
    const metadata = await fetchMetadata(serverUrl, settings.fetch)
    const tenant = settings.tenant ?? metadata.tenant
    trust = new Map(
      settings.profiles.map((name) => [
        name,
        name === 'call'
          ? { issuers: [metadata.issuer], tenant, keys: openKeys(metadata.jwksUrl, settings) }
          : trustTenant(serverUrl, tenant, settings),
      ]),
    )
    return trust
  }, settings.clock)

  return {
    learn: async () => trust ?? flight.run(),
    learned() {
      if (trust !== undefined) return trust
      throw flight.lastFailure() ?? notLearned(serverUrl)
    },
  }
}

// A base token is signed for its tenant: the bundle endpoint of AuthSec holds the tenant's one key.
function trustTenant(serverUrl: URL, tenant: string | undefined, settings: Settings): Trust {
  if (tenant === undefined) {
    throw new AuthsecError('configuration', `${serverUrl.origin} does not name its tenant`, {
      hint: 'Pass the tenant option: base tokens are accepted for one tenant only.',
    })
  }
  const url = new URL(`${readPath(serverUrl)}/authsec/spiresvc/v1/jwt/bundle`, serverUrl)
  url.searchParams.set('tenant_id', tenant)
  return { issuers: [`spiffe://${tenant}`], tenant, keys: openKeys(url, settings) }
}

function openKeys(url: URL, settings: Settings): KeySet {
  return createRemoteKeySet({ ...settings, url })
}

async function fetchMetadata(serverUrl: URL, fetch: typeof globalThis.fetch) {
  // RFC 8414 §3.1: the well-known part stands between host and path.
  const url = new URL(`/.well-known/oauth-authorization-server${readPath(serverUrl)}`, serverUrl)
  const { document } = await fetchJson(url, fetch)
  const { issuer, jwks_uri: jwksUri, authsec_tenant: tenant } = document as Partial<Record<string, Json>>
  return {
    issuer: readOwnAddress(serverUrl, 'issuer', issuer),
    jwksUrl: new URL(readOwnAddress(serverUrl, 'key set', jwksUri)),
    tenant: typeof tenant === 'string' && tenant !== '' ? tenant : undefined,
  }
}

// RFC 8414 §3.3: what a server says of itself counts for its own addresses only.
function readOwnAddress(serverUrl: URL, what: string, address: Json | undefined): string {
  if (typeof address === 'string' && URL.canParse(address) && isSameServer(serverUrl, new URL(address))) {
    return address
  }
  if (typeof address !== 'string') {
    throw new AuthsecError('server_error', `the metadata of ${serverUrl.origin} name no ${what}`, {
      hint: 'Check that the address is that of an AuthSec server.',
    })
  }
  throw new AuthsecError('server_error', `the ${what} ${quote(address)} is not on ${serverUrl.origin}`, {
    hint: 'Configure the server by the address that it calls its own.',
  })
}

function readPath(serverUrl: URL): string {
  return serverUrl.pathname.replace(/\/$/, '')
}

function notLearned(serverUrl: URL): AuthsecError {
  return new AuthsecError('configuration', `the metadata of ${serverUrl.origin} is not loaded`, {
    hint: 'Await warm() before the first verifySync(), or use verify().',
  })
}
