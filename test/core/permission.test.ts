import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertNarrower,
  formatScope,
  intersectPermissions,
  parsePermissions,
  parseScope,
  sortPermissions,
} from '../../src/core/permission.js'

const permission = fc.constantFrom('billing:read', 'billing:refund', 'orders:read', 'profile:read', 'a:b:c')
const permissions = fc.uniqueArray(permission).map((list) => new Set(list))

describe('parsePermissions', () => {
  test.each([
    '',
    'billing',
    'billing:',
    ':read',
    'billing::read',
    'Billing:read',
    'billing:read ',
    'billing read',
    'billing:read\n',
    'billing:*',
    '*',
    'billing:re\u0430d',
    'billing:read\u0000',
    'billing.read',
    '__proto__',
  ])('refuses %j', (text) => {
    expect(() => parsePermissions([text])).toThrow(expect.objectContaining({ code: 'invalid_scope' }))
  })

  test('refuses a list for one wrong entry, and names it made printable', () => {
    expect(() => parsePermissions(['orders:read', 'a:\u202eb'])).toThrow('"a:\\u202eb" is not a permission')
  })

  test('names 10 MB of nonsense briefly', () => {
    expect(() => parsePermissions(['X'.repeat(10_000_000)])).toThrow(/^"X{60}…" is not a permission$/)
  })

  test.each(['billing:read', 'admin:access', 'a:b:c', 'x_1-y:z_2-w', '1:2'])('reads %s', (text) => {
    expect(parsePermissions([text])).toEqual(new Set([text]))
  })

  test('reads 100 of 100 characters at most', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `a:${index}`)
    expect(parsePermissions([...many(100), ...many(100)]).size).toBe(100)
    expect(() => parsePermissions(many(101))).toThrow('more than 100 permissions')
    expect(parsePermissions([`a:${'b'.repeat(98)}`]).size).toBe(1)
    expect(() => parsePermissions([`a:${'b'.repeat(99)}`])).toThrow('is not a permission')
  })

  test('drops repeats', () => {
    expect(parsePermissions(['a:b', 'a:b'])).toEqual(new Set(['a:b']))
  })
})

describe('parseScope', () => {
  test.each(['billing:read,orders:read', 'billing:read\torders:read', 'billing:read\norders:read', 'openid'])(
    'refuses %j',
    (text) => {
      expect(() => parseScope(text)).toThrow(expect.objectContaining({ code: 'invalid_scope' }))
    },
  )

  test.each([
    { text: '', list: [] },
    { text: '  ', list: [] },
    { text: 'b:c a:b  b:c ', list: ['a:b', 'b:c'] },
  ])('reads $text', ({ text, list }) => {
    expect(parseScope(text)).toEqual(new Set(list))
  })

  test('always reads back what formatScope wrote', () => {
    fc.assert(
      fc.property(permissions, (set) => {
        expect(parseScope(formatScope(set))).toEqual(set)
      }),
    )
  })
})

describe('formatScope and sortPermissions', () => {
  test('never depend on order or repeats', () => {
    fc.assert(
      fc.property(fc.array(permission), (list) => {
        expect(formatScope([...list, ...list].reverse())).toBe(formatScope(list))
        expect(sortPermissions(list)).toEqual([...new Set(list)].sort())
      }),
    )
  })
})

describe('intersectPermissions', () => {
  test('keeps what is in every list', () => {
    expect(
      intersectPermissions(['a:b', 'b:c', 'c:d'], new Set(['b:c', 'c:d', 'x:y']), new Set(['c:d'])),
    ).toEqual(new Set(['c:d']))
  })

  test('keeps nothing when one list is empty', () => {
    expect(intersectPermissions(['a:b'], new Set(['a:b']), new Set())).toEqual(new Set())
  })

  test('never widens any of its lists, and never depends on their order', () => {
    fc.assert(
      fc.property(permissions, permissions, permissions, (one, two, three) => {
        const common = intersectPermissions(one, two, three)
        for (const held of [one, two, three]) expect(() => assertNarrower(common, held)).not.toThrow()
        expect(intersectPermissions(three, one, two)).toEqual(common)
      }),
    )
  })
})

describe('assertNarrower', () => {
  test('refuses, naming exactly the excess', () => {
    const asked = parseScope('orders:read billing:refund admin:access')
    expect(() => assertNarrower(asked, parseScope('orders:read'))).toThrow(
      expect.objectContaining({
        code: 'invalid_scope',
        message: 'admin:access billing:refund is not within the delegation',
        hint: 'What may be asked for here: orders:read.',
      }),
    )
  })

  test('says so when nothing is held', () => {
    expect(() => assertNarrower(new Set(['a:b']), new Set())).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^Nothing may be asked for/) }),
    )
  })

  test('prints no control character of a permission that nobody parsed', () => {
    expect(() => assertNarrower(new Set(['a:\u001b[2J']), new Set(['b:\u202e']))).toThrow(
      expect.objectContaining({
        message: 'a:\\u001b[2J is not within the delegation',
        hint: 'What may be asked for here: b:\\u202e.',
      }),
    )
  })

  test('accepts exactly the subsets', () => {
    fc.assert(
      fc.property(permissions, permissions, (asked, held) => {
        const narrower = [...asked].every((name) => held.has(name))
        const check = expect(() => assertNarrower(asked, held))
        if (narrower) check.not.toThrow()
        else check.toThrow(expect.objectContaining({ code: 'invalid_scope' }))
      }),
    )
  })

  test('treats no permission as a pattern or a prefix of another', () => {
    expect(() => assertNarrower(new Set(['a:b:c']), new Set(['a:b']))).toThrow()
    expect(() => assertNarrower(new Set(['a:b']), new Set(['a:b:c']))).toThrow()
  })
})
