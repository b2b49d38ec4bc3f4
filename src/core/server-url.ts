import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

/**
 * Reads the address of a server that may be trusted with tokens or asked for keys: https, or http on this
 * machine, without a name and password inside. Throws `configuration`.
 */
export function parseServerUrl(address: string | URL): URL {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined
  const isSecure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url))
  if (url === undefined || !isSecure || url.username !== '' || url.password !== '') {
    // Not repeated where it may hold a password.
    const named = String(address).includes('@') ? 'the given address' : quote(String(address))
    throw new AuthsecError('configuration', `${named} is not the address of a server`, {
      hint: 'Use an https address without a password in it; http is for this machine only (127.0.0.1, localhost).',
    })
  }
  return url
}

/** Whether an address points at this machine: `localhost`, 127.0.0.0/8 or `[::1]`. */
export function isLoopback(url: URL): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
}

/**
 * Whether a server may speak for an address it names as its own (RFC 8414 §3.3): the origins are equal, or both
 * are on this machine, where a development server keeps its issuer when it is started on another port.
 */
export function isSameServer(server: URL, named: URL): boolean {
  return server.origin === named.origin || (isLoopback(server) && isLoopback(named))
}
