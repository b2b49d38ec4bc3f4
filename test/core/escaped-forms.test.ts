import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchEscaped } from '../../src/core/escaped-forms.js'

const SECRET = 'hunter2 "pä+ss\\%41"\n\\\\"\'<&>/\u{1f511}'

/** How whoever repeats a text may write it. */
const WRITERS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'in JSON': (text) => JSON.stringify(text).slice(1, -1),
  'in JSON of ASCII': (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'in JSON that is safe in HTML': (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(
        /\\"|[<>&'+]/g,
        (unit) =>
          `\\u00${unit
            .charCodeAt(unit.length - 1)
            .toString(16)
            .toUpperCase()}`,
      ),
  'in JSON with its slashes escaped': (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/'),
  'in an address': encodeURIComponent,
  'in an address, in small letters': (text) =>
    encodeURIComponent(text).replace(/%../g, (octet) => octet.toLowerCase()),
  'in a form': (text) => new URLSearchParams({ text }).toString().slice('text='.length),
  'in a page': (text) =>
    text.replace(
      /["&<>]/g,
      (unit) => ({ '"': '&quot;', '&': '&amp;', '<': '&lt;', '>': '&gt;' })[unit] ?? '',
    ),
  'in a page, by number': (text) => text.replace(/["'&<>]/g, (unit) => `&#${unit.charCodeAt(0)};`),
}
const NAMES = Object.keys(WRITERS)
const IN_PAGES = NAMES.filter((name) => name.startsWith('in a page'))
const PAIRS = [
  ...NAMES.filter((name) => !IN_PAGES.includes(name)).flatMap((first) =>
    NAMES.map((then) => [first, then] as const),
  ),
  ...IN_PAGES.flatMap((first) =>
    ['in JSON', 'in an address', 'in a form'].map((then) => [first, then] as const),
  ),
]

const write = (how: string, text: string) => WRITERS[how]?.(text) ?? ''
const conceal = (text: string, secret: string) => text.replace(matchEscaped([secret]), '[secret]')

test.each(PAIRS)('a text is found that is written %s, and all that %s', (first, then) => {
  const written = write(then, write(first, SECRET))
  expect(conceal(`no: "${written}" again`, SECRET)).toBe('no: "[secret]" again')
})

test('a text is found whatever it is', () => {
  const texts = fc.oneof(
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.string({
      minLength: 1,
      unit: fc.constantFrom('\\', '%', '"', '2', '5', 'c', ' ', '+', '&', ';', 'ä'),
    }),
  )
  const pairs = fc.constantFrom(...PAIRS)
  fc.assert(
    fc.property(texts, pairs, (secret, [first, then]) => {
      fc.pre(secret.isWellFormed())
      expect(conceal(`<${write(then, write(first, secret))}>`, secret)).toBe('<[secret]>')
    }),
    { numRuns: 500 },
  )
})

test.each(['', 'x', 'xx'])('a text is found in the base64 of what begins with "%s"', (before) => {
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const how of ['as it is', 'in JSON', 'in a form']) {
      const written = Buffer.from(`${before}client:${write(how, SECRET)}`).toString(encoding)
      // What shares a group with its neighbours remains.
      expect(conceal(written, SECRET)).toMatch(/^[\w+/-]{0,16}\[secret\][\w+/=-]{0,4}$/)
    }
  }
})

test('nothing else is found', () => {
  expect('no such thing'.replace(matchEscaped([]), '!')).toBe('no such thing')
  expect('a.b axb a\\b'.replace(matchEscaped(['a.b']), '!')).toBe('! axb a\\b')
})

test('of two texts the longer one is found, and what stands for it is no text of its own', () => {
  expect('secret secret-2'.replace(matchEscaped(['secret', 'secret-2']), '[secret]')).toBe(
    '[secret] [secret]',
  )
})

test('what looks like one for long is none', { timeout: 20_000 }, () => {
  const secret = `${'\\'.repeat(40)}${'\\a%25" '.repeat(40)}!`
  const almost = `${'\\'.repeat(400)}${'\\\\a%2525\\\\\\"+'.repeat(5000)}`
  expect(conceal(almost.repeat(10), secret)).not.toContain('[secret]')
})
