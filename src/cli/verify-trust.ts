import { BOUND_CALL_TOKEN_TYPE, CALL_TOKEN_TYPE } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { isSameServer, parseServerUrl } from '../core/server-url.js'
import type { JsonObject } from '../core/strict-json.js'
import type { JsonWebKeySet, ProfileName, VerifierOptions } from '../verify/index.js'
import type { ConnectionFlags } from './connection.js'
import type { Context } from './context.js'
import { readKeyFile, readKeySetFile } from './key-file.js'

/** The flags that say whom to believe. */
export interface TrustFlags extends ConnectionFlags {
  issuer?: string | undefined
  jwks?: string | undefined
  key?: string | undefined
  typ?: string | undefined
}

/** Whom a token is measured by: as a delegation token, or as any other JWT. */
export type Trust = (
  | { kind: 'delegation'; options: Omit<VerifierOptions, 'audience'> }
  /**
   * Without an issuer there is nobody whose tokens of this kind are believed. No keys are wanted where a token says
   * itself that it is of another issuer.
   */
  | { kind: 'foreign'; issuer: string | undefined; keys: URL | JsonWebKeySet | 'discovered' | 'none' }
) & {
  /** Whether the issuer is whatever the token says, because only a key was given. */
  isIssuerOpen: boolean
}

const PROFILE_OF_TYPE: Readonly<Record<string, ProfileName>> = { [CALL_TOKEN_TYPE]: 'call', JWT: 'base' }

/** Stands for an issuer or a tenant that nobody has. */
const NOBODY = 'urn:authsec:nobody'

/**
 * Decides whom to believe: the key or keys that are given, the issuer that is named, otherwise the server in use and
 * the issuers that its profile trusts. The token only chooses among those. Throws `usage`, `configuration`,
 * `not_found` and what asking the server throws.
 */
export async function readTrust(
  context: Context,
  flags: TrustFlags,
  token: { header: JsonObject; claims: JsonObject },
): Promise<Trust> {
  assertTogether(flags)
  const isDelegation = isDelegationToken(token)
  if (flags.key !== undefined) {
    const keys = await readKeyFile(flags.key, token.header)
    return isDelegation
      ? trustKey(context, flags, token, keys)
      : trustForeign(flags.issuer, keys, token.claims)
  }
  if (flags.jwks !== undefined) {
    const keys = /^https?:\/\//.test(flags.jwks)
      ? parseServerUrl(flags.jwks)
      : await readKeySetFile(flags.jwks)
    return isDelegation || flags.issuer === undefined
      ? trustKeys(context, flags, token, keys)
      : trustForeign(flags.issuer, keys, token.claims)
  }
  if (flags.issuer !== undefined && isOfAnother(flags.issuer, token.claims, isDelegation)) {
    return { kind: 'foreign', issuer: flags.issuer, keys: 'none', isIssuerOpen: false }
  }
  if (isDelegation) {
    const { trustServer } = await import('./server-trust.js')
    return await trustServer(context, flags, profileOf(flags, token))
  }
  if (flags.issuer !== undefined) {
    return trustForeign(flags.issuer, 'discovered', token.claims)
  }
  const { findTrustedIssuer } = await import('./server-trust.js')
  const issuer = await findTrustedIssuer(context, flags, token.claims)
  return { kind: 'foreign', issuer, keys: 'discovered', isIssuerOpen: false }
}

/**
 * The kind that --typ asks for, where the token is of it; of another kind it is judged by its own, and its type fails.
 */
function profileOf({ typ }: TrustFlags, { claims }: { claims: JsonObject }): ProfileName | undefined {
  const wanted = PROFILE_OF_TYPE[typ ?? '']
  return wanted === kindOf(claims) ? wanted : undefined
}

function kindOf(claims: JsonObject): ProfileName {
  return isBaseToken(claims) ? 'base' : 'call'
}

/** Whether a token is one of AuthSec's, by what it says of itself. */
export function isDelegationToken({ header, claims }: { header: JsonObject; claims: JsonObject }): boolean {
  const typ = String(header['typ'] ?? 'jwt')
    .toLowerCase()
    .replace(/^application\//, '')
  if (typ === BOUND_CALL_TOKEN_TYPE) return true
  if (typ === CALL_TOKEN_TYPE)
    return 'act' in claims || Object.keys(claims).some((name) => /^authsec_/.test(name))
  return isBaseToken(claims)
}

function isBaseToken({ iss }: JsonObject): boolean {
  return typeof iss === 'string' && iss.startsWith('spiffe://')
}

// Nobody has to be asked whether what a token says of its issuer can be true.
function isOfAnother(issuer: string, claims: JsonObject, isDelegation: boolean): boolean {
  const { iss } = claims
  const url = parseServerUrl(issuer)
  if (!isDelegation) return iss !== issuer
  // A base token is one of a tenant, and whose tenant that is, the server knows.
  if (isBaseToken(claims)) return false
  return typeof iss !== 'string' || !URL.canParse(iss) || !isSameServer(url, new URL(iss))
}

function trustForeign(
  issuer: string | undefined,
  keys: URL | JsonWebKeySet | 'discovered',
  { iss }: JsonObject,
): Trust {
  const named = issuer ?? (typeof iss === 'string' && iss !== '' ? iss : NOBODY)
  return { kind: 'foreign', issuer: named, keys, isIssuerOpen: issuer === undefined }
}

function trustKey(
  { environment }: Context,
  { issuer }: TrustFlags,
  { claims }: { claims: JsonObject },
  jwks: JsonWebKeySet,
): Trust {
  const profile = kindOf(claims)
  const says = (name: string) =>
    typeof claims[name] === 'string' && claims[name] !== '' ? claims[name] : NOBODY
  if (profile === 'call') {
    const options = { issuer: issuer ?? says('iss'), jwks, profiles: [profile] } as const
    return { kind: 'delegation', options, isIssuerOpen: issuer === undefined }
  }
  const tenant = environment.tenantId ?? says('tenant_id')
  const options = { jwks, tenant, profiles: [profile] } as const
  return { kind: 'delegation', options, isIssuerOpen: environment.tenantId === undefined }
}

function trustKeys(
  { environment }: Context,
  flags: TrustFlags,
  token: { claims: JsonObject },
  jwks: URL | JsonWebKeySet,
): Trust {
  const { issuer } = flags
  if (profileOf(flags, token) === 'base') {
    const options = { jwks, tenant: environment.tenantId, profiles: ['base'] } as const
    return { kind: 'delegation', options, isIssuerOpen: false }
  }
  if (issuer === undefined) {
    throw new AuthsecError('usage', '--jwks needs --issuer: keys are believed for one issuer', {
      hint: 'Add --issuer with the address that stands in iss, or give one key with --key.',
    })
  }
  return { kind: 'delegation', options: { issuer, jwks, profiles: ['call'] }, isIssuerOpen: false }
}

function assertTogether({ server, issuer, jwks, key }: TrustFlags): void {
  if (server !== undefined && (issuer !== undefined || jwks !== undefined || key !== undefined)) {
    throw new AuthsecError('usage', '--server is given together with --issuer, --jwks or --key', {
      hint: 'Name the server, or the issuer whose tokens to believe.',
    })
  }
  if (jwks !== undefined && key !== undefined) {
    throw new AuthsecError('usage', '--jwks is given together with --key', {
      hint: 'Give the set of keys, or the one key.',
    })
  }
}
