import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../support/running-server.js'

type Jwk = Record<string, string>

/** The required members in order, RFC 7638 §3.2: what is hashed, and all that a public key is made of. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
}
const membersOf = (jwk: Jwk) => MEMBERS[jwk['kty'] ?? ''] ?? []

let server: TestServer
let callKeys: Jwk[]
let baseKeys: Jwk[]
beforeAll(async () => {
  server = await startTestServer()
  callKeys = (await server.call('GET', '/oauth/jwks')).json.keys
  baseKeys = (await server.call('GET', `/v1/jwt/bundle?tenant_id=${server.tenantId}`)).json.keys
})
afterAll(() => server.close())

describe('what verifiers are given', () => {
  test('is the active key of each algorithm first, then those that are prepared', () => {
    expect(callKeys.slice(0, 3).map(({ alg }) => alg)).toEqual(['ES256', 'RS256', 'EdDSA'])
    expect(callKeys).toHaveLength(6)
    expect(baseKeys).toHaveLength(1)
  })

  test('is public, member by member', () => {
    for (const jwk of [...callKeys, ...baseKeys]) {
      expect(Object.keys(jwk).sort()).toEqual([...membersOf(jwk), 'alg', 'kid', 'use'].sort())
    }
  })

  test('has ids that are thumbprints, computed by the text of RFC 7638', () => {
    for (const jwk of callKeys) {
      const members = membersOf(jwk).map((name) => `"${name}":"${jwk[name]}"`)
      const thumbprint = createHash('sha256')
        .update(`{${members.join(',')}}`)
        .digest('base64url')
      expect(jwk['kid']).toBe(thumbprint)
    }
    expect(baseKeys[0]?.['kid']).toBe('default')
  })
})
