import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDuration, parseDuration } from '../../src/core/duration.js'

describe('parseDuration', () => {
  test.each([
    '',
    ' ',
    'm',
    '15 m',
    '15M',
    '1.5h',
    '-1',
    '-15m',
    '+5s',
    '15ms',
    '15m2h',
    '1h1h',
    '1w',
    '15m\n',
    '٣s',
    '1e3',
    '0x10',
    'Infinity',
    '9007199254740992',
    '9007199254740992s',
    '104249991374d7h36m32s',
    '9'.repeat(400),
    `${'9'.repeat(400)}d`,
  ])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  test.each([
    { text: '0', seconds: 0 },
    { text: '90', seconds: 90 },
    { text: '007', seconds: 7 },
    { text: '45s', seconds: 45 },
    { text: '15m', seconds: 900 },
    { text: '2h30m', seconds: 9_000 },
    { text: '7d', seconds: 604_800 },
    { text: '1d1h1m1s', seconds: 90_061 },
    { text: '90m', seconds: 5_400 },
    { text: '9007199254740991', seconds: Number.MAX_SAFE_INTEGER },
  ])('reads $text as $seconds seconds', ({ text, seconds }) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  test.each([
    { what: 'digits', text: '1'.repeat(10_000_000) },
    { what: 'digits with a foreign end', text: `${'1'.repeat(10_000_000)}x` },
  ])('refuses 10 MB of $what with a short message', ({ text }) => {
    expect(() => parseDuration(text)).toThrow(/^"1{60}…" is not a duration$/)
  })
})

describe('formatDuration', () => {
  test.each([
    { seconds: 0, text: '0s' },
    { seconds: 59, text: '59s' },
    { seconds: 60, text: '1m' },
    { seconds: 5_400, text: '1h30m' },
    { seconds: 86_400, text: '1d' },
    { seconds: 90_061, text: '1d1h1m1s' },
    { seconds: 59.6, text: '1m' },
  ])('writes $seconds seconds as $text', ({ seconds, text }) => {
    expect(formatDuration(seconds)).toBe(text)
  })

  test('always writes what parseDuration reads back', () => {
    fc.assert(
      fc.property(fc.nat(), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds)
      }),
    )
  })
})
