import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRelative, formatTime, parseTime } from '../../src/core/time.js'

const NOW = Date.parse('2026-01-31T09:00:00Z')

describe('parseTime', () => {
  test.each([
    '',
    'yesterday',
    '2026-01-31',
    '2026-01-31T09:00:00',
    '2026-01-31T09:00Z',
    '2026-1-31T09:00:00Z',
    ' 2026-01-31T09:00:00Z',
    '2026-01-31T09:00:00Z\n',
    '+002026-01-31T09:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-04-31 00:00:00Z',
    '2026-01-31T25:00:00Z',
    '2026-01-31T09:60:00Z',
    '2026-01-31T09:00:60Z',
    '2026-01-31T09:00:00+99:99',
    '-15m',
    '15 minutes',
    '1769850000000',
    '99999999999',
    '9007199254740991',
    '9'.repeat(400),
  ])('refuses %j', (text) => {
    expect(() => parseTime(text, NOW)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  test.each([
    { text: '2026-01-31T09:00:00Z', instant: NOW },
    { text: '2026-01-31T09:00:00.250Z', instant: NOW + 250 },
    { text: '2026-01-31T09:00:00.250999Z', instant: NOW + 250 },
    { text: '2026-01-31t09:00:00z', instant: NOW },
    { text: '2026-01-31 09:00:00Z', instant: NOW },
    { text: '2026-01-31T14:30:00+05:30', instant: NOW },
    { text: '2026-01-31T00:00:00-09:00', instant: NOW },
    { text: '2024-02-29T00:00:00Z', instant: Date.UTC(2024, 1, 29) },
    { text: '0001-01-01 00:00:00Z', instant: -62_135_596_800_000 },
    { text: '1769850000', instant: 1_769_850_000_000 },
    { text: '0000000000', instant: 0 },
    { text: '15m', instant: NOW - 15 * 60_000 },
    { text: '90', instant: NOW - 90_000 },
    { text: '0', instant: NOW },
  ])('reads $text', ({ text, instant }) => {
    expect(parseTime(text, NOW)).toBe(instant)
  })

  test('always reads back what formatTime wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
        expect(parseTime(formatTime(seconds * 1000), NOW)).toBe(seconds * 1000)
      }),
    )
  })
})

describe('formatTime', () => {
  test('drops fractions of a second, also before the epoch', () => {
    expect(formatTime(NOW + 999)).toBe('2026-01-31T09:00:00Z')
    expect(formatTime(-1)).toBe('1969-12-31T23:59:59Z')
  })

  test.each([
    { epochMs: 253_402_300_800_000, text: '@253402300800' },
    { epochMs: -62_167_219_200_001, text: '@-62167219201' },
    { epochMs: 1e300, text: '@1e+297' },
    { epochMs: Number.POSITIVE_INFINITY, text: '@Infinity' },
    { epochMs: Number.NaN, text: '@NaN' },
  ])('writes $epochMs, beyond the calendar, as $text', ({ epochMs, text }) => {
    expect(formatTime(epochMs)).toBe(text)
  })

  test('never throws', () => {
    fc.assert(fc.property(fc.double(), (epochMs) => typeof formatTime(epochMs) === 'string'))
  })
})

describe('formatRelative', () => {
  test.each([
    { ms: 0, text: 'now' },
    { ms: 400, text: 'now' },
    { ms: -400, text: 'now' },
    { ms: 1_000, text: 'in 1 second' },
    { ms: -1_000, text: '1 second ago' },
    { ms: 42_000, text: 'in 42 seconds' },
    { ms: 59_400, text: 'in 59 seconds' },
    { ms: 60_000, text: 'in 1 minute' },
    { ms: -180_000, text: '3 minutes ago' },
    { ms: 3_600_000, text: 'in 1 hour' },
    { ms: -86_400_000, text: '1 day ago' },
    { ms: 400 * 86_400_000, text: 'in 400 days' },
  ])('writes a distance of $ms ms as "$text"', ({ ms, text }) => {
    expect(formatRelative(NOW + ms, NOW)).toBe(text)
  })
})
