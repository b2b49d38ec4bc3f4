import { describe, expect, test } from 'vitest'
import { isSameServer, parseServerUrl } from '../../src/core/server-url.js'

describe('parseServerUrl', () => {
  test.each([
    { why: 'is no URL', url: 'authsec.example' },
    { why: 'is empty', url: '' },
    { why: 'is plain http beyond this machine', url: 'http://authsec.example' },
    { why: 'only looks like loopback', url: 'http://127.0.0.1.evil.example' },
    { why: 'is another scheme', url: 'ftp://127.0.0.1' },
    { why: 'carries credentials', url: 'https://user:hunter2@authsec.example' },
    { why: 'carries a query', url: 'https://authsec.example/?token=hunter2' },
    { why: 'carries a fragment', url: 'https://authsec.example/#hunter2' },
  ])('refuses what $why', ({ url }) => {
    expect(() => parseServerUrl(url)).toThrow(expect.objectContaining({ code: 'configuration' }))
    expect(() => parseServerUrl(url)).not.toThrow(/hunter2/)
  })

  test.each([
    'https://authsec.example/tenant',
    'http://127.0.0.1:7468',
    'http://localhost:1',
    'http://[::1]:1',
  ])('accepts %s', (url) => {
    expect(parseServerUrl(url).href).toContain(url)
  })
})

describe('isSameServer', () => {
  test.each([
    { first: 'http://127.0.0.1:7468/a', second: 'http://localhost:7468/b', same: true },
    { first: 'http://127.0.0.1:7468', second: 'http://localhost:7469', same: false },
    { first: 'https://a.example', second: 'https://a.example/x', same: true },
    { first: 'https://a.example', second: 'https://b.example', same: false },
    { first: 'https://localhost', second: 'http://localhost:443', same: false },
  ])('$first and $second: $same', ({ first, second, same }) => {
    expect(isSameServer(new URL(first), new URL(second))).toBe(same)
  })
})
