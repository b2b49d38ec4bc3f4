import { describe, expect, test } from 'vitest'
import { readChallenge } from '../../src/sdk/challenge.js'

function read(header?: string): object {
  return Object.fromEntries(
    readChallenge(new Headers(header === undefined ? {} : { 'www-authenticate': header })),
  )
}

describe('readChallenge', () => {
  test.each([
    { why: 'no challenge', header: undefined, found: {} },
    { why: 'a bare one', header: 'Bearer', found: {} },
    { why: 'another scheme', header: 'Basic realm="x"', found: {} },
    {
      why: 'quoted values',
      header: 'Bearer error="invalid_token", realm="a \\"b\\""',
      found: { error: 'invalid_token', realm: 'a "b"' },
    },
    {
      why: 'plain values',
      header: 'bearer error=invalid_token,max_age=5',
      found: { error: 'invalid_token', max_age: '5' },
    },
    {
      why: 'one among several',
      header: 'Basic realm="x", Bearer error="insufficient_scope"',
      found: { error: 'insufficient_scope' },
    },
    { why: 'a name that stands twice', header: 'Bearer error="a", error="b"', found: { error: 'a' } },
  ])('reads $why', ({ header, found }) => {
    expect(read(header)).toEqual(found)
  })

  test('cuts what is long', () => {
    expect(read(`Bearer scope="${'a'.repeat(5_000)}"`)).toEqual({ scope: 'a'.repeat(300) })
  })
})
