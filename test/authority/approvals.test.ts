import { describe, expect, test } from 'vitest'
import { narrowCeiling } from '../../src/authority/approvals.js'
import { ADMIN_PERMISSION } from '../../src/authority/sessions.js'

const USER = {
  id: 'alice',
  email: 'alice@authsec.test',
  roles: ['admin'],
  permissions: new Set(['billing:read', 'billing:refund', ADMIN_PERMISSION]),
  active: true,
}

describe('what a program may do that a person has let in', () => {
  test.each([
    {
      what: 'what it has asked for',
      asked: ['billing:read', 'orders:read'],
      may: undefined,
      is: ['billing:read', 'orders:read'],
    },
    {
      what: 'no more than the session may in which the person has answered',
      asked: ['billing:read', 'billing:refund'],
      may: ['billing:read'],
      is: ['billing:read'],
    },
    {
      what: 'nothing of what that session may not',
      asked: ['billing:refund'],
      may: ['billing:read'],
      is: [],
    },
  ])('is $what', ({ asked, may, is }) => {
    for (const form of ['oauth', 'authsec'] as const)
      expect(narrowCeiling({ form, ceiling: asked }, USER, may)).toEqual(is)
  })

  test('is all that the person may where it asks for nothing, without the administration of the server', () => {
    const asked = { form: 'oauth', ceiling: undefined } as const
    expect(narrowCeiling(asked, USER, undefined)).toEqual(['billing:read', 'billing:refund'])
  })

  test('is what that session may for a program of AuthSec, which cannot ask', () => {
    const asked = { form: 'authsec', ceiling: undefined } as const
    expect(narrowCeiling(asked, USER, ['billing:read'])).toEqual(['billing:read'])
  })
})
