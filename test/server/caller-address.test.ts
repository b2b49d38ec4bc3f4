import { describe, expect, test } from 'vitest'
import { findAddress } from '../../src/server/caller-address.js'

const PROXY = '10.0.0.1'

describe('the address of a caller', () => {
  test.each([
    ['its peer', '192.0.2.1', null, [], '192.0.2.1'],
    ['its peer, whatever it says of itself', '192.0.2.1', '198.51.100.7', [PROXY], '192.0.2.1'],
    ['what a proxy of ours says', PROXY, '198.51.100.7', [PROXY], '198.51.100.7'],
    ['the last that a proxy of ours says', PROXY, '203.0.113.9, 198.51.100.7', [PROXY], '198.51.100.7'],
    [
      'what the first of our proxies says',
      '10.0.0.2',
      `198.51.100.7, ${PROXY}`,
      [PROXY, '10.0.0.2'],
      '198.51.100.7',
    ],
    ['what a proxy says that shows as IPv6', `::ffff:${PROXY}`, '198.51.100.7', [PROXY], '198.51.100.7'],
    ['the proxy, when it says nothing', PROXY, null, [PROXY], PROXY],
    ['the proxy, when it says something else', PROXY, 'unknown', [PROXY], PROXY],
    ['the proxy, when it says an empty list', PROXY, ', ,', [PROXY], PROXY],
  ])('is %s', (_what, peer, forwarded, proxies, expected) => {
    expect(findAddress(peer, forwarded, proxies)).toBe(expected)
  })

  test('is unknown without a peer', () => {
    expect(findAddress(undefined, '198.51.100.7', [PROXY])).toBeUndefined()
  })
})
