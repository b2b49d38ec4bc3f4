import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { hashCall } from '../../src/core/call-binding.js'
import type { BaseClaims, CallClaims } from '../../src/core/claims.js'
import type { JsonObject } from '../../src/core/strict-json.js'
import type { JsonWebKey } from '../../src/verify/jwk.js'

/** The moment at which every token of a test issuer is issued, in milliseconds since the epoch. */
export const ISSUED_AT = Date.parse('2026-11-24T09:00:00Z')
export const ISSUER = 'http://127.0.0.1:7468'
export const TENANT = '6f0d3d52-0c51-4b4f-9f7b-3a1f0e8c2d11'
export const BILLING = 'https://billing.example'
export const AGENT = 'spiffe://example.org/tenants/6f0d/agents/langchain/c1'

const iat = ISSUED_AT / 1000

export const CALL_CLAIMS: CallClaims = {
  iss: ISSUER,
  sub: 'alice',
  aud: BILLING,
  exp: iat + 60,
  iat,
  nbf: iat,
  jti: 'call-1',
  client_id: 'c1',
  tenant_id: TENANT,
  scope: 'billing:read profile:read',
  permissions: ['billing:read', 'profile:read'],
  act: { sub: AGENT, client_id: 'c1' },
  authsec_grant: 'standing',
  authsec_delegation: 'delegation-1',
  parent_jti: 'base-1',
  authsec_audit: 'audit-1',
  txn: 'txn-1',
  tool: 'get_customer_billing',
}

const BASE_CLAIMS: BaseClaims = {
  iss: `spiffe://${TENANT}`,
  sub: AGENT,
  aud: ['authsec-api', BILLING],
  exp: iat + 3600,
  iat,
  nbf: iat,
  jti: 'base-1',
  user_id: 'alice',
  tenant_id: TENANT,
  agent_type: 'langchain',
  permissions: ['billing:read', 'profile:read'],
  client_id: 'c1',
}

/** A key pair with its public half as a server publishes it. */
export interface TestKey {
  privateKey: KeyObject
  jwk: JsonWebKey
}

export const CALL_KEY: TestKey = createKey('ES256', { kid: 'call-key' })
export const BASE_KEY: TestKey = createKey('RS256', { kid: 'default' })

/** A fresh key for an algorithm, published with these members. */
export function createKey(alg: 'ES256' | 'RS256', members: Partial<JsonWebKey> = {}, bits = 2048): TestKey {
  const { privateKey, publicKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: bits })
  return {
    privateKey,
    jwk: { ...(publicKey.export({ format: 'jwk' }) as JsonWebKey), use: 'sig', alg, ...members },
  }
}

/** Signs whatever it is given, which a decent library would refuse. Text stands for a part as it is. */
export function signJwt(header: object | string, claims: object | string, key: KeyObject): string {
  const input = `${encodePart(header)}.${encodePart(claims)}`
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** A genuine call token with some claims and header members changed; undefined leaves one out. */
export function signCall(claims: object = {}, header: object = {}): string {
  return signJwt(
    { alg: 'ES256', typ: 'at+jwt', kid: 'call-key', ...header },
    { ...CALL_CLAIMS, ...claims },
    CALL_KEY.privateKey,
  )
}

/** A genuine call token that is bound to a call of the tool `refund` with these arguments. */
export function signBound(args: JsonObject, claims: object = {}): string {
  const bound = { aud: BILLING, tool: 'refund', args }
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  const call = hashCall(bound, new Uint8Array(16).fill(7), sha256)
  return signCall({ tool: 'refund', bind: ['tool', 'call'], call, ...claims }, { typ: 'authsec-call+jwt' })
}

/** A genuine base token, likewise. */
export function signBase(claims: object = {}, header: object = {}): string {
  return signJwt({ alg: 'RS256', typ: 'JWT', ...header }, { ...BASE_CLAIMS, ...claims }, BASE_KEY.privateKey)
}

/** The same token with one character of its signature changed. */
export function spoilSignature(token: string): string {
  const at = token.lastIndexOf('.') + 10
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
}

/** A chain of so many actors, the current one first. */
export function nestActors(depth: number): object {
  return { sub: AGENT, client_id: `c${depth}`, ...(depth > 1 && { act: nestActors(depth - 1) }) }
}

/** The metadata, key set and tenant bundle of the issuer, as a server at `origin` answers them. */
export function issuerRoutes(origin: string = ISSUER): Record<string, object> {
  return {
    'GET /.well-known/oauth-authorization-server': {
      issuer: ISSUER,
      jwks_uri: `${origin}/oauth/jwks`,
      authsec_tenant: TENANT,
    },
    'GET /oauth/jwks': { keys: [CALL_KEY.jwk] },
    'GET /authsec/spiresvc/v1/jwt/bundle': { keys: [BASE_KEY.jwk] },
  }
}

function encodePart(part: object | string): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}
