import { expect, test } from 'vitest'
import { alignPairs, wrapText } from '../../src/cli/columns.js'

test.each([
  { text: 'fits', width: 10, lines: ['fits'] },
  { text: 'one two three', width: 8, lines: ['one', '  two', '  three'] },
  { text: '  one two three', width: 10, lines: ['  one two', '  three'] },
  { text: 'averyveryverylongword and more', width: 10, lines: ['averyveryverylongword', '  and more'] },
])('$text is broken to $width columns and keeps where it begins', ({ text, width, lines }) => {
  expect(wrapText(text, width, '  ').split('\n')).toEqual(lines)
})

test('a second column without room stands below the first', () => {
  const pairs = [['name', 'some words of it']] as const
  expect(alignPairs(pairs, 80)).toEqual(['name  some words of it'])
  expect(alignPairs(pairs, 20)).toEqual(['name\n  some words of it'])
})
