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
})
