import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  type BaseTokens,
  baseIssuer,
  createBaseTokens,
  signBaseToken,
} from '../../src/authority/base-tokens.js'
import { type SigningKey, signJwt } from '../../src/authority/signer.js'
import type { BaseClaims } from '../../src/core/claims.js'

const TENANT = '0190d3b4-0000-4000-8000-000000000000'
const NOW = 1_800_000_000
const key: SigningKey = { kid: 'b', alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
const foreignKey: SigningKey = {
  kid: 'b',
  alg: 'RS256',
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const CLAIMS: BaseClaims = {
  iss: baseIssuer(TENANT),
  sub: 'spiffe://example.org/agent',
  aud: ['authsec-api'],
  exp: NOW + 60,
  iat: NOW,
  nbf: NOW,
  jti: 'j1',
  user_id: 'u1',
  tenant_id: TENANT,
  agent_type: 'langchain',
  permissions: ['billing:read'],
  client_id: 'c1',
}

function open(clock: { now: number } = { now: NOW }): BaseTokens {
  return createBaseTokens({
    keys: { active: key, trusted: [key] },
    issuer: baseIssuer(TENANT),
    tenantId: TENANT,
    clock: () => clock.now * 1000,
  })
}

describe('a base token', () => {
  const { token } = signBaseToken(key, CLAIMS)

  test('says who may exchange it, for whom and until when', () => {
    expect(open().verify(token)).toEqual({ clientId: 'c1', userId: 'u1', jti: 'j1', expiresAt: NOW + 60 })
  })

  test('expires to the second, also when it has been seen before', () => {
    const clock = { now: NOW }
    const tokens = open(clock)
    tokens.verify(token)
    clock.now = NOW + 59.999
    tokens.verify(token)
    clock.now = NOW + 60
    expect(() => tokens.verify(token)).toThrow(expect.objectContaining({ code: 'invalid_grant' }))
    expect(() => open(clock).verify(token)).toThrow(expect.objectContaining({ code: 'invalid_grant' }))
  })

  test.each([
    { why: 'another key', forged: signBaseToken(foreignKey, CLAIMS).token },
    { why: 'another typ', forged: signJwt(key, { typ: 'at+jwt' }, CLAIMS).token },
    { why: 'no typ', forged: signJwt(key, {}, CLAIMS).token },
    { why: 'a key id', forged: signJwt(key, { typ: 'JWT', kid: 'default' }, CLAIMS).token },
    { why: 'a key of its own', forged: signJwt(key, { typ: 'JWT', jwk: {} }, CLAIMS).token },
    { why: 'a critical extension', forged: signJwt(key, { typ: 'JWT', crit: ['b64'] }, CLAIMS).token },
    { why: 'no algorithm', forged: signJwt(key, { typ: 'JWT', alg: 'none' }, CLAIMS).token },
    { why: 'another issuer', forged: signBaseToken(key, { ...CLAIMS, iss: 'https://authsec' }).token },
    { why: 'another tenant', forged: signBaseToken(key, { ...CLAIMS, tenant_id: 'other' }).token },
    ...(['client_id', 'user_id', 'jti', 'exp'] as const).map((claim) => ({
      why: `no ${claim}`,
      forged: signJwt(key, { typ: 'JWT' }, { ...CLAIMS, [claim]: undefined }).token,
    })),
    { why: 'an expiry in words', forged: signJwt(key, { typ: 'JWT' }, { ...CLAIMS, exp: '1' }).token },
    {
      why: 'a list of clients',
      forged: signJwt(key, { typ: 'JWT' }, { ...CLAIMS, client_id: ['c1'] }).token,
    },
    { why: 'nothing in it', forged: '' },
    { why: 'text that is no token', forged: 'not a token' },
    { why: 'padding', forged: `${token}=` },
    { why: 'a line break at its end', forged: `${token}\n` },
    { why: 'a size beyond all measure', forged: `${token}${'A'.repeat(10_000)}` },
  ])('is refused for $why, and no message repeats it', ({ forged }) => {
    expect(() => open().verify(forged)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: expect.not.stringContaining('eyJ'),
      }),
    )
  })

  test('is checked anew in every other spelling: one that was good does not vouch for another', () => {
    const tokens = open()
    tokens.verify(token)
    const other = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`
    expect(() => tokens.verify(other)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })

  test('is still verified after a thousand others', () => {
    const tokens = open()
    const others = Array.from({ length: 1_001 }, (_, index) => ({ ...CLAIMS, jti: `j${index}` }))
    const seen = others.map((claims) => tokens.verify(signBaseToken(key, claims).token).jti)
    expect(seen).toEqual(others.map(({ jti }) => jti))
    expect(tokens.verify(token).jti).toBe('j1')
  })

  test('carries no header but alg and typ, as AuthSec issues it', () => {
    const [header] = token.split('.')
    expect(JSON.parse(Buffer.from(header as string, 'base64url').toString())).toEqual({
      alg: 'RS256',
      typ: 'JWT',
    })
    expect(decodeJwt(token)).toEqual(CLAIMS)
  })
})
