import { expect, test } from 'vitest'
import { findJsonFault } from '../../src/core/json-fault.js'

test.each([
  { what: 'nothing', text: '', at: [1, 1] },
  { what: 'a word', text: ' nothing', at: [1, 2] },
  { what: 'a comma too many', text: '{\n  "a": [1, 2,],\n}', at: [2, 14] },
  { what: 'a comma too few', text: '{\n  "a": {}\n  "b": 2\n}', at: [3, 3] },
  { what: 'a colon too few', text: '{"a" 1}', at: [1, 6] },
  { what: 'a name without quotes', text: '{\n\ta: 1}', at: [2, 2] },
  { what: 'other quotes', text: "{'a': 1}", at: [1, 2] },
  { what: 'a comment', text: '{\n  // roles\n}', at: [2, 3] },
  { what: 'a text that does not end', text: '["a", "b]\n', at: [1, 7] },
  { what: 'an escape that is none', text: '["\\x"]', at: [1, 2] },
  { what: 'the wrong bracket', text: '{"a": [1}', at: [1, 9] },
  { what: 'a number with a zero before it', text: '[01]', at: [1, 3] },
  { what: 'an end too early', text: '{"a": [true, null]', at: [1, 19] },
  { what: 'more behind it', text: '{}\n{}', at: [2, 1] },
  { what: 'a mark before it', text: '\ufeff{}', at: [1, 1] },
])('$what is found where it stands', ({ text, at }) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError)
  const { line, column } = findJsonFault(text)
  expect([line, column]).toEqual(at)
})

test.each(['{}', '[]', ' {"a": [{}, [], "\\u00e9", -1.5e+3, true, false, null]}\n', '"x"', '0'])(
  'what is JSON is found to be so to its end: %s',
  (text) => {
    expect(JSON.parse(text)).toBeDefined()
    const lines = text.split('\n')
    expect(findJsonFault(text)).toEqual({ line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 })
  },
)
