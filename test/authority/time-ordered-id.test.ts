import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTimeOrderedId } from '../../src/authority/time-ordered-id.js'

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const instants = fc.integer({ min: 0, max: 2 ** 48 - 1 })

test('an id is a UUIDv7 that carries its time, RFC 9562 §5.7', () => {
  fc.assert(
    fc.property(instants, (now) => {
      const id = createTimeOrderedId(now)
      expect(id).toMatch(UUID_V7)
      expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(now)
    }),
  )
})

test('ids sort by time', () => {
  fc.assert(
    fc.property(instants, instants, (one, other) => {
      fc.pre(one < other)
      expect(createTimeOrderedId(one) < createTimeOrderedId(other)).toBe(true)
    }),
  )
})

test('no two ids of one millisecond are the same', () => {
  const ids = Array.from({ length: 1_000 }, () => createTimeOrderedId(0))
  expect(new Set(ids).size).toBe(1_000)
})
