// A call token with everything that one has, and the key that signs it: what an API gets to verify.

import { randomUUID } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'

export const ISSUER = 'http://127.0.0.1:7468'
export const AUDIENCE = 'https://billing.example'

const LIFETIME = 300

/** Resolves with a fresh RS256 key, as a set and as PEM, and a token that it has signed. */
export async function createCallToken() {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const kid = 'bench'
  const [tenant, agent] = [randomUUID(), randomUUID()]
  const issuedAt = Math.floor(Date.now() / 1000)
  const claims = {
    iss: ISSUER,
    sub: randomUUID(),
    aud: AUDIENCE,
    exp: issuedAt + LIFETIME,
    iat: issuedAt,
    nbf: issuedAt,
    jti: randomUUID(),
    client_id: agent,
    tenant_id: tenant,
    act: { sub: `spiffe://${tenant}/agent/${agent}`, client_id: agent },
    scope: 'billing:read',
    permissions: ['billing:read'],
    authsec_grant: 'standing',
    authsec_delegation: randomUUID(),
    authsec_audit: randomUUID(),
    parent_jti: randomUUID(),
    txn: randomUUID(),
  }
  return {
    token: await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid })
      .sign(privateKey),
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }] },
    pem: await exportSPKI(publicKey),
  }
}
