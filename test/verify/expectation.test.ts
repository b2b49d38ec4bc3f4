import { describe, expect, test } from 'vitest'
import { assertExpectation } from '../../src/verify/expectation.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signCall } from '../support/token-issuer.js'

describe('an expectation', () => {
  test.each([
    {},
    { permissions: [] },
    { permissions: ['billing:read'], anyPermission: ['a:b', 'c:d'], tool: 'refund' },
    { tool: ['refund', 'read'] },
    { tool: 'refund', call: {}, oneTime: true },
  ])('may be %j', (expectation) => {
    expect(() => assertExpectation(expectation)).not.toThrow()
  })

  test.each<{ what: string; value: unknown; message: string }>([
    { what: 'text', value: 'billing:read', message: 'an expectation is an object' },
    { what: 'null', value: null, message: 'an expectation is an object' },
    {
      what: 'permissions as text',
      value: { permissions: 'billing:read' },
      message: 'the expectation\'s "permissions" is not as it has to be',
    },
    {
      what: 'an empty permission',
      value: { permissions: [''] },
      message: 'the expectation\'s "permissions" is not as it has to be',
    },
    {
      what: 'two permissions in one',
      value: { permissions: ['a:b c:d'] },
      message: 'the expectation\'s "permissions" is not as it has to be',
    },
    {
      what: 'a permission that ends a header value',
      value: { permissions: ['a"b'] },
      message: 'the expectation\'s "permissions" is not as it has to be',
    },
    {
      what: 'one of no permissions',
      value: { anyPermission: [] },
      message: 'the expectation\'s "anyPermission" is not as it has to be',
    },
    {
      what: 'a tool of several that is undefined',
      value: { tool: ['refund', undefined] },
      message: 'the expectation\'s "tool" is not as it has to be',
    },
    {
      what: 'a tool that is undefined',
      value: { tool: undefined },
      message: 'the expectation\'s "tool" is not as it has to be',
    },
    {
      what: 'an empty tool',
      value: { tool: '' },
      message: 'the expectation\'s "tool" is not as it has to be',
    },
    {
      what: 'none of the tools',
      value: { tool: [] },
      message: 'the expectation\'s "tool" is not as it has to be',
    },
    {
      what: 'a call of no tool',
      value: { call: { amount: '10.00' } },
      message: 'the expectation\'s "call" needs its "tool"',
    },
    {
      what: 'a call that is a list',
      value: { tool: 'refund', call: [] },
      message: 'the expectation\'s "call" is not as it has to be',
    },
    {
      what: 'a call that is undefined',
      value: { tool: 'refund', call: undefined },
      message: 'the expectation\'s "call" is not as it has to be',
    },
    {
      what: 'one that inherits what it cannot be held to',
      value: Object.create({ permissions: 'billing:read' }),
      message: 'the expectation\'s "permissions" is not as it has to be',
    },
    {
      what: 'any number of uses, which is not to ask',
      value: { oneTime: false },
      message: 'the expectation\'s "oneTime" is not as it has to be',
    },
  ])('cannot be $what', async ({ value, message }) => {
    const misuse = expect.objectContaining({ name: 'TypeError', message })
    expect(() => assertExpectation(value)).toThrow(misuse)
    expect(() => verifyCalls().verifySync(signCall(), value as object)).toThrow(misuse)
    await expect(verifyCalls().verify(signCall(), value as object)).rejects.toMatchObject({ message })
    await expect(verifyCalls().inspect(signCall(), value as object)).rejects.toMatchObject({ message })
  })

  test.each<{ what: string; value: object; name: string; hint?: string }>([
    {
      what: 'misspelt',
      value: { permission: ['a:b'] },
      name: 'permission',
      hint: 'Did you mean permissions?',
    },
    { what: 'a list', value: ['billing:read'], name: '0' },
    { what: 'about an inherited member', value: { toString: 'x' }, name: 'toString' },
    {
      what: 'one that inherits such a member',
      value: Object.create({ permssions: [] }),
      name: 'permssions',
      hint: 'Did you mean permissions?',
    },
  ])(
    'cannot be $what',
    async ({ value, name, hint = 'There are permissions, anyPermission, tool, call, oneTime.' }) => {
      const message = `"${name}" is not a member of an expectation`
      const refusal = expect.objectContaining({ code: 'configuration', message, hint })
      expect(() => assertExpectation(value)).toThrow(refusal)
      expect(() => verifyCalls().verifySync(signCall(), value)).toThrow(refusal)
      await expect(verifyCalls().verify(signCall(), value)).rejects.toEqual(refusal)
      await expect(verifyCalls().inspect(signCall(), value)).rejects.toEqual(refusal)
    },
  )
})
