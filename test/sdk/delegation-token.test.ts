import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createDelegationToken } from '../../src/sdk/delegation-token.js'
import type { Grant } from '../../src/sdk/grant.js'

const SECRET = 'eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJjYWxsLTEifQ.c2lnbmF0dXJl'
const grant: Grant = {
  jwt: SECRET,
  jti: 'call-1',
  audience: Object.freeze(['https://billing.example']),
  permissions: Object.freeze(['billing:read']),
  auditId: 'audit-1',
  userId: 'user-alice',
  expiresAt: Date.parse('2026-11-24T09:01:00Z'),
  lifetime: { wallEnd: 0, monotonicEnd: 0, length: 0, soft: 0, hard: 0 },
}
const token = createDelegationToken(grant, false)

describe('a delegation token', () => {
  test.each([
    { as: 'inspected', text: () => inspect(token, { depth: null, showHidden: true }) },
    {
      as: 'inspected with getters',
      text: () => inspect(token, { getters: true, customInspect: false, showHidden: true }),
    },
    { as: 'serialised', text: () => JSON.stringify(token) },
    { as: 'serialised inside something', text: () => JSON.stringify({ headers: [token] }) },
    { as: 'formatted as an object', text: () => format('%o %O %j', token, token, token) },
    { as: 'cloned', text: () => inspect(structuredClone({ ...token }), { depth: null }) },
    { as: 'spread', text: () => JSON.stringify({ ...token }) },
    { as: 'taken apart', text: () => JSON.stringify(Object.getOwnPropertyDescriptors(token)) },
  ])('shows its id and not its secret when $as', ({ text }) => {
    expect(text()).toContain('call-1')
    expect(text()).not.toContain(SECRET)
    expect(text()).not.toContain('eyJ')
  })

  test.each([
    { as: 'in a template literal', use: () => `Bearer ${token}` },
    { as: 'by concatenation', use: () => `Bearer `.concat(token as never) },
    { as: 'in a joined list', use: () => ['Bearer', token].join(' ') },
    { as: 'by String()', use: () => String(token) },
    { as: 'as a header', use: () => new Headers({ authorization: token as never }) },
    { as: 'with %s', use: () => format('%s', token) },
  ])('throws and names authorization() when used as text $as', ({ use }) => {
    expect(use).toThrow(TypeError)
    expect(use).toThrow(/authorization\(\)/)
    expect(use).not.toThrow(SECRET)
  })

  test('gives the secret by the two methods made for it', () => {
    expect(token.authorization()).toBe(`Bearer ${SECRET}`)
    expect(token.reveal()).toBe(SECRET)
  })

  test('cannot be changed by one caller for the others', () => {
    token.expiresAt.setTime(0)
    expect(token.expiresAt).toEqual(new Date('2026-11-24T09:01:00Z'))
    expect(() => Object.assign(token, { jti: 'other' })).toThrow(TypeError)
    expect(() => (token.permissions as string[]).push('billing:refund')).toThrow(TypeError)
  })
})
