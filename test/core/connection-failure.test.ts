import { describe, expect, test } from 'vitest'
import { explainNoConnection } from '../../src/core/connection-failure.js'

function failure(code: unknown, own?: string): Error {
  return Object.assign(new TypeError('fetch failed', { cause: { code } }), own && { code: own })
}

describe('why no connection came about', () => {
  test.each([
    { error: failure('ECONNREFUSED'), says: 'connection refused' },
    { error: failure('ECONNRESET'), says: 'connection lost' },
    { error: failure('UND_ERR_SOCKET'), says: 'connection lost' },
    { error: failure('ENOTFOUND'), says: 'no such host' },
    { error: failure('EAI_AGAIN'), says: 'no such host' },
    { error: failure('CERT_HAS_EXPIRED'), says: 'CERT_HAS_EXPIRED' },
    {
      error: failure('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'),
      says: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    },
    // The cause knows more; without one the error itself is asked.
    { error: failure('ENOTFOUND', 'ERR_FAILED'), says: 'no such host' },
    { error: failure(undefined, 'EHOSTUNREACH'), says: 'EHOSTUNREACH' },
    // The number that a DOMException has for a code, and what a server could have made up.
    { error: new DOMException('aborted', 'AbortError'), says: 'no connection' },
    { error: failure('\u001b[2J'), says: 'no connection' },
    { error: failure('said by: mallory'), says: 'no connection' },
    { error: new TypeError('fetch failed'), says: 'no connection' },
    { error: 'nothing', says: 'no connection' },
    { error: undefined, says: 'no connection' },
  ])('is $says for $error', ({ error, says }) => {
    expect(explainNoConnection(error)).toBe(says)
  })
})
