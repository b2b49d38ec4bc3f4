import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'

/** A key pair of an issuer, with its public half as it is published. */
export interface SigningKey {
  privateKey: KeyObject
  jwk: { kid: string } & Record<string, unknown>
}

/** Makes a key for call tokens (ES256) or base tokens (RS256). */
export function makeSigningKey(algorithm: 'ES256' | 'RS256'): SigningKey {
  const { privateKey, publicKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')
  return { privateKey, jwk: { ...jwk, kid, use: 'sig', alg: algorithm } }
}

/** Signs a call token that is as it should be, but for what is given. */
export function signCallToken(key: SigningKey, nowMs: number, changes: Record<string, unknown> = {}): string {
  const now = Math.floor(nowMs / 1000)
  return signJwt(
    key,
    'ES256',
    { typ: 'at+jwt', kid: key.jwk.kid },
    {
      iss: 'http://127.0.0.1:7468',
      sub: 'user-1',
      aud: 'https://billing.example',
      iat: now,
      nbf: now,
      exp: now + 60,
      jti: randomUUID(),
      client_id: 'client-1',
      tenant_id: 'tenant-1',
      scope: 'billing:read',
      permissions: ['billing:read'],
      act: { sub: 'spiffe://tenant-1/agent', client_id: 'client-1' },
      authsec_grant: 'standing',
      authsec_delegation: 'delegation-1',
      parent_jti: 'parent-1',
      authsec_audit: 'audit-1',
      txn: 'txn-1',
      ...changes,
    },
  )
}

/** Signs a base token that is as it should be, but for what is given. */
export function signBaseToken(key: SigningKey, nowMs: number, changes: Record<string, unknown> = {}): string {
  const now = Math.floor(nowMs / 1000)
  return signJwt(
    key,
    'RS256',
    { typ: 'JWT' },
    {
      iss: 'spiffe://tenant-1',
      sub: 'spiffe://tenant-1/agent',
      aud: ['authsec-api', 'https://billing.example'],
      iat: now,
      nbf: now,
      exp: now + 3600,
      jti: randomUUID(),
      user_id: 'user-1',
      tenant_id: 'tenant-1',
      agent_type: 'langchain',
      permissions: ['billing:read'],
      client_id: 'client-1',
      ...changes,
    },
  )
}

function signJwt(key: SigningKey, alg: 'ES256' | 'RS256', header: object, claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const input = `${encode({ alg, ...header })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
