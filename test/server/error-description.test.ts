import { expect, test } from 'vitest'
import { toErrorDescription } from '../../src/server/error-description.js'

test.each([
  { text: 'nothing to change: a (b) [c] {d}', becomes: 'nothing to change: a (b) [c] {d}' },
  { text: 'the type "x" is not "y"', becomes: "the type 'x' is not 'y'" },
  { text: '\u00b1(2^53\u22121)', becomes: '+/-(2^53-1)' },
  { text: 'authsec policy create --role \u2026', becomes: 'authsec policy create --role ...' },
  { text: 'billing:read\\u0009x', becomes: 'billing:readU+0009x' },
  { text: '\\u{e0041}', becomes: 'U+E0041' },
  { text: 'a\\b', becomes: 'aU+005Cb' },
  { text: 'caf\u00e9 \u{1f600}\ud800', becomes: 'cafU+00E9 U+1F600U+D800' },
])('$text is written as $becomes, which RFC 6749 allows', ({ text, becomes }) => {
  expect(toErrorDescription(text)).toBe(becomes)
  expect(becomes).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/)
})
