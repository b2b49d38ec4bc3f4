import { encodeBase64url } from './base64url.js'

// What an escape is written with is escaped itself where it is done twice: a backslash, and a percent sign.
const BACKSLASH = String.raw`(?:\\|%(?:25){0,2}5[cC])`
const PERCENT = '%(?:25){0,2}'
const [AMPERSAND, NUMBER_SIGN, SEMICOLON] = [
  `(?:&|${PERCENT}26)`,
  `(?:#|${PERCENT}23)`,
  `(?:;|${PERCENT}3[bB])`,
]

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\b': 'b',
  '\f': 'f',
  '\n': 'n',
  '\r': 'r',
  '\t': 't',
}
const ENTITIES: Readonly<Record<string, string>> = {
  '"': 'quot',
  '&': 'amp',
  "'": 'apos',
  '<': 'lt',
  '>': 'gt',
}

/** Longer ones are tokens, that are in base64 already and that nobody encodes again. */
const MAX_BASE64_TEXT = 128

const utf8 = new TextEncoder()

/**
 * A pattern that finds each of some texts, of a few hundred characters in all, as it is and as whoever repeats it may
 * write it: in JSON (RFC 8259 §7), in an address or a form, each also twice, in HTML before or behind one of them, and
 * a short one inside of something in base64. No form is shorter than its text.
 */
export function matchEscaped(texts: readonly string[]): RegExp {
  const longestFirst = texts
    .flatMap((text) => [text, ...listBase64(text)])
    .sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map(describeText).join('|') || '(?!)', 'gu')
}

// Backslashes are taken together with those that escape what comes after them: where one of them ends could be tried in
// more ways than there is time for.
function describeText(text: string): string {
  return text.replace(/(\\*)([^\\]?)/gu, (_, { length }: string, character: string) =>
    length === 0
      ? describeCharacter(character, 3)
      : `${describeBackslashes(length)}${describeCharacter(character, 0)}`,
  )
}

function describeBackslashes(count: number): string {
  return `(?:${BACKSLASH}{1,4}u005[cC]|${BACKSLASH}|${describeEntity('\\')}){${count},${4 * count + 3}}`
}

/** One character in all its forms, with at most so many backslashes before it. */
function describeCharacter(character: string, backslashes: number): string {
  // What nobody escapes.
  if (/^[\w.-]?$/.test(character)) return character.replace('.', '[.]')
  const point = character.codePointAt(0) ?? 0
  const units = character.split('').map((unit) => `${BACKSLASH}{1,4}u${toHex(unit.charCodeAt(0), 4)}`)
  const bytes = [...utf8.encode(character)].map((byte) => `${PERCENT}${toHex(byte, 2)}`)
  const short = SHORT_ESCAPES[character]
  const forms = [
    `${BACKSLASH}{0,${backslashes}}(?:${describeEntity(character)}|${bytes.join('')}|\\u{${point.toString(16)}})`,
    units.join(''),
    ...(short === undefined ? [] : [`${BACKSLASH}{1,4}${short}`]),
    // So a form writes it.
    ...(character === ' ' ? [describeCharacter('+', backslashes)] : []),
  ]
  return `(?:${forms.join('|')})`
}

function describeEntity(character: string): string {
  const point = character.codePointAt(0) ?? 0
  const name = ENTITIES[character]
  const number = `${NUMBER_SIGN}(?:0{0,4}${point}|x0{0,4}${toHex(point, 1)})`
  return `${AMPERSAND}(?:amp${SEMICOLON})?(?:${number}${name === undefined ? '' : `|${name}`})${SEMICOLON}`
}

// Three, as there are three places in a group of base64 where it can begin; what depends on its neighbours is left out.
function listBase64(text: string): string[] {
  if (text.length > MAX_BASE64_TEXT) return []
  const written = new Set([
    text,
    JSON.stringify(text).slice(1, -1),
    new URLSearchParams([['', text]]).toString().slice(1),
  ])
  const forms = [...written].flatMap((inner) =>
    [0, 1, 2].map((before) => encodeBehind(before, utf8.encode(inner))),
  )
  return forms
    .filter((form) => form.length >= text.length)
    .flatMap((form) => [form, form.replaceAll('-', '+').replaceAll('_', '/')])
}

function encodeBehind(before: number, bytes: Uint8Array): string {
  const shifted = new Uint8Array(before + bytes.length)
  shifted.set(bytes, before)
  const whole = shifted.subarray(0, shifted.length - (shifted.length % 3))
  return encodeBase64url(whole).slice(before === 0 ? 0 : 4)
}

// In either case.
function toHex(value: number, digits: number): string {
  const text = value.toString(16).padStart(digits, '0')
  return text.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}
