import { describe, expect, test } from 'vitest'
import { isSameServer, parseServerUrl } from '../../src/core/server-url.js'

describe('parseServerUrl', () => {
  test.each([
    'https://authsec.example',
    'https://authsec.example:8443/path',
    'http://127.0.0.1:7468',
    'http://127.9.9.9',
    'http://localhost:7468',
    'http://[::1]:7468',
  ])('accepts %s', (address) => {
    expect(parseServerUrl(address).href).toBe(new URL(address).href)
    expect(parseServerUrl(new URL(address)).href).toBe(new URL(address).href)
  })

  test.each([
    'http://authsec.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'ftp://127.0.0.1',
    'file:///etc/passwd',
    '127.0.0.1:7468',
    'nonsense',
    '',
  ])('refuses %s', (address) => {
    expect(() => parseServerUrl(address)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: `"${address}" is not the address of a server`,
      }),
    )
  })

  test.each(['https://me:secret@authsec.example', 'https//me:secret@authsec.example'])(
    'refuses the password in %s without repeating it',
    (address) => {
      expect(() => parseServerUrl(address)).toThrow(
        expect.objectContaining({
          code: 'configuration',
          message: 'the given address is not the address of a server',
        }),
      )
    },
  )
})

describe('isSameServer', () => {
  test.each([
    ['https://a.example', 'https://a.example/tenant', true],
    ['https://a.example', 'https://a.example:8443', false],
    ['https://a.example', 'http://a.example', false],
    ['https://a.example', 'https://b.example', false],
    ['http://localhost:9000', 'http://127.0.0.1:7468', true],
    ['https://a.example', 'http://127.0.0.1:7468', false],
    ['http://127.0.0.1:7468', 'https://a.example', false],
  ])('%s speaks for %s: %s', (server, named, expected) => {
    expect(isSameServer(new URL(server), new URL(named))).toBe(expected)
  })
})
