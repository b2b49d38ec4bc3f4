import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]'])

/**
 * Reads the address of an AuthSec server. Throws `configuration` unless it is https, or http on a loopback
 * name, and carries neither credentials nor a query nor a fragment (RFC 8414 §2).
 */
export function parseServerUrl(value: string | URL): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined) {
    throw new AuthsecError('configuration', `the server URL ${quote(value)} is not a URL`, {
      hint: 'Write it with its scheme, for example https://authsec.example or http://127.0.0.1:7468.',
    })
  }
  // Not quoted in full from here on: what is not an address may be a secret.
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new AuthsecError(
      'configuration',
      `the server URL ${quote(url.origin)} carries credentials, a query or a fragment`,
      { hint: 'Give the address alone.' },
    )
  }
  if (!isSecureUrl(url)) {
    throw new AuthsecError(
      'configuration',
      `the server URL ${quote(url.href)} is neither https nor loopback`,
      {
        hint: 'Tokens travel over https only; plain http is for 127.0.0.1, localhost and [::1].',
      },
    )
  }
  return url
}

/** Whether a token may travel to this address: https, or http that does not leave the machine. */
export function isSecureUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

/** Whether a host name, as `URL.hostname` writes it, is this machine: 127.0.0.1, localhost or [::1]. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK_HOSTS.has(hostname)
}

/** Whether two addresses belong to one server; the loopback names on one port are equal. */
export function isSameServer(first: URL, second: URL): boolean {
  if (first.origin === second.origin) return true
  return (
    first.protocol === second.protocol &&
    first.port === second.port &&
    isLoopbackHost(first.hostname) &&
    isLoopbackHost(second.hostname)
  )
}
