import { describe, expect, test } from 'vitest'
import { concealSecrets, listSentSecrets } from '../../src/core/secrets.js'

const basic = (text: string) => ({ authorization: `Basic ${btoa(text)}` })

describe('what of a request is secret', () => {
  test.each([
    { why: 'a session', headers: { authorization: 'Bearer opaque' }, members: {}, secrets: ['opaque'] },
    { why: 'what somebody else spells', headers: { AUTHorization: 'DPoP x' }, members: {}, secrets: ['x'] },
    {
      why: 'a secret in HTTP Basic, encoded and not',
      headers: basic('id:se%3Acret+%2B'),
      members: {},
      secrets: [btoa('id:se%3Acret+%2B'), 'se:cret +'],
    },
    {
      why: 'what proves and what is proven in a form',
      headers: {},
      members: { client_id: 'id', client_secret: 'a', subject_token: 'b', device_code: 'c', scope: 'd' },
      secrets: ['a', 'b', 'c'],
    },
    { why: 'no member that is no text', headers: {}, members: { password: 1, token: '' }, secrets: [] },
    {
      why: 'credentials of a scheme that nobody knows, or that are broken',
      headers: { authorization: 'Basic !' },
      members: {},
      secrets: ['!'],
    },
    { why: 'nothing of a request without any', headers: {}, members: {}, secrets: [] },
  ])('is $why', ({ headers, members, secrets }) => {
    expect(listSentSecrets(headers, Object.entries(members))).toEqual(secrets)
  })
})

describe('the words of a server', () => {
  test('lose each secret wherever it stands, and whatever looks like a token', () => {
    const words = 'no: s3 and s3, eyJhbGciOiJub25lIn0.eyJqdGkiOiJ4In0.c2ln. Good bye'
    expect(concealSecrets(words, ['s3', 'absent'])).toBe('no: [secret] and [secret], [token] Good bye')
    expect(concealSecrets('no: {\\"password\\":\\"a \\\\\\"b\\"} a+%22b', ['a "b'])).toBe(
      'no: {\\"password\\":\\"[secret]\\"} [secret]',
    )
    expect(concealSecrets('no key ZeyJ0123456789abc.', [])).toBe('no key ZeyJ0123456789abc.')
  })

  test.each([
    { words: 'jti="eyJhbGci.abcde"x', rest: 'jti="[token]"x' },
    { words: 'tokeneyJhbGci.abcde..x-a', rest: 'token[token]' },
    { words: 'a.eyJhbGci.abcde.eyJhbGci.abcde', rest: 'a.[token]' },
    { words: 'eyJa.eyJhbGci.abcde eyJhbGci.abcd', rest: 'eyJa.[token] eyJhbGci.abcd' },
    { words: 'eyJeyJabcde.eyJab', rest: '[token]' },
  ])('lose what looks like a token of $words', ({ words, rest }) => {
    expect(concealSecrets(words, [])).toBe(rest)
  })

  test.each(['', '.', '.abcd', '.abcde?'])(
    'are read once, though they begin like tokens all over: %j',
    (end) => {
      const words = `${'eyJ'.repeat(500_000)}${end}`
      expect(concealSecrets(words, []).length).toBe(end.length > 5 ? 8 : words.length)
    },
  )

  test.each([
    { what: 'a token of 64 KiB', secret: 'eyJh+/~'.repeat(9_362) },
    { what: 'a password of 4 KiB of quotation marks', secret: '"'.repeat(4_096) },
    { what: 'a password of all that is escaped', secret: '\\" +%&ä\n'.repeat(500) },
  ])('lose $what, however long a pattern of it would be', ({ secret }) => {
    const form = new URLSearchParams([['', secret]]).toString().slice(1)
    for (const said of [secret, JSON.stringify(secret).slice(1, -1), form, form.replaceAll('+', '%20')]) {
      expect(concealSecrets(`no: ${said}!`, ['x"', secret])).toBe('no: [secret]!')
    }
  })

  test('lose several that are too long together for one pattern', () => {
    const secrets = ['a', 'b', 'c', 'd'].map((name) => `${name}${'"'.repeat(250)}`)
    const said = JSON.stringify(secrets.join(' ')).slice(1, -1)
    expect(concealSecrets(said, secrets)).toBe('[secret] [secret] [secret] [secret]')
  })
})
