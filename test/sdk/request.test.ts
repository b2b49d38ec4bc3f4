import { describe, expect, test } from 'vitest'
import { copyRequest, type DelegationRequest, readRequest } from '../../src/sdk/request.js'

const BILLING = 'https://billing.example'

const read = (request: DelegationRequest) => readRequest(copyRequest(request))

describe('readRequest', () => {
  test.each<{ why: string; request: object; says: RegExp }>([
    {
      why: 'a misspelt member',
      request: { audience: BILLING, permission: ['billing:read'] },
      says: /"permission"/,
    },
    {
      why: 'a binding without a tool',
      request: { audience: BILLING, binding: 'tool' },
      says: /without a tool/,
    },
    {
      why: 'an unknown binding',
      request: { audience: BILLING, tool: 'a', binding: 'constructor' },
      says: /"constructor" is not none/,
    },
    {
      why: 'a binding to a call without its arguments',
      request: { audience: BILLING, tool: 'a', binding: 'call' },
      says: /without the arguments/,
    },
    {
      why: 'arguments that nothing is bound to',
      request: { audience: BILLING, tool: 'a', call: { id: '1' } },
      says: /without the binding/,
    },
    {
      why: 'arguments that are no object',
      request: { audience: BILLING, tool: 'a', binding: 'call', call: [1] },
      says: /not a JSON object/,
    },
    {
      why: 'arguments that no two parsers agree on',
      request: { audience: BILLING, tool: 'a', binding: 'call', call: { amount: 2 ** 53 } },
      says: /beyond/,
    },
    { why: 'one use said in words', request: { audience: BILLING, oneTime: 'yes' }, says: /"yes"/ },
    { why: 'one use of the base token', request: { oneTime: true }, says: /oneTime without/ },
    {
      why: 'permissions without an audience',
      request: { permissions: ['billing:read'] },
      says: /permissions without/,
    },
    { why: 'a tool without an audience', request: { tool: 'get_bill' }, says: /tool without/ },
    { why: 'a lifetime without an audience', request: { ttlSeconds: 30 }, says: /ttlSeconds without/ },
    { why: 'an empty audience', request: { audience: '' }, says: /audience ""/ },
    { why: 'an audience that is not text', request: { audience: null }, says: /audience "null"/ },
    { why: 'an empty list of permissions', request: { audience: BILLING, permissions: [] }, says: /empty/ },
    { why: 'null for permissions', request: { audience: BILLING, permissions: null }, says: /not a list/ },
    {
      why: 'text for permissions',
      request: { audience: BILLING, permissions: 'billing:read' },
      says: /not a list/,
    },
    { why: 'an empty tool', request: { audience: BILLING, tool: '' }, says: /tool ""/ },
    { why: 'a lifetime of zero', request: { audience: BILLING, ttlSeconds: 0 }, says: /"0"/ },
    { why: 'a lifetime above the limit', request: { audience: BILLING, ttlSeconds: 301 }, says: /"301"/ },
    { why: 'half a second', request: { audience: BILLING, ttlSeconds: 0.5 }, says: /"0.5"/ },
    { why: 'a negative validity', request: { minValidityMs: -1 }, says: /"-1"/ },
    { why: 'a validity that is no number', request: { minValidityMs: Number.NaN }, says: /"NaN"/ },
    {
      why: 'a validity beyond the life',
      request: { audience: BILLING, ttlSeconds: 30, minValidityMs: 29_001 },
      says: /30 s/,
    },
  ])('refuses $why', ({ request, says }) => {
    const reading = () => read(request)
    expect(reading).toThrow(expect.objectContaining({ code: 'request_invalid' }))
    expect(reading).toThrow(says)
  })

  test('asks which member is meant', () => {
    expect(() => read({ audience: BILLING, permision: ['billing:read'] } as DelegationRequest)).toThrow(
      expect.objectContaining({
        message: '"permision" is not a member of a request',
        hint: 'Did you mean permissions?',
      }),
    )
  })

  test('says what to name where a member needs an audience', () => {
    expect(() => read({ tool: 'get_bill' })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('Name the API as audience') }),
    )
  })

  test('refuses what is not a permission', () => {
    const reading = () => read({ audience: BILLING, permissions: ['billing'] })
    expect(reading).toThrow(expect.objectContaining({ code: 'invalid_scope' }))
  })

  test('does not notice what the caller does to the request later', () => {
    const permissions = ['orders:read', 'billing:read', 'orders:read']
    const { call } = read({ audience: BILLING, permissions })
    permissions.push('billing:refund')
    expect(call?.permissions).toEqual(['billing:read', 'orders:read'])
  })

  test('keeps the arguments of a call as they were', () => {
    const call = { invoice: 'in_1' }
    const checked = read({ audience: BILLING, tool: 'refund', binding: 'call', call })
    call.invoice = 'in_2'
    expect(checked.call).toMatchObject({ bind: ['tool', 'call'], args: { invoice: 'in_1' } })
  })

  test('takes nothing at all for the base token', () => {
    expect(read({}).call).toBeUndefined()
    expect(read({ audience: undefined, minValidityMs: 5 }).call).toBeUndefined()
  })
})
