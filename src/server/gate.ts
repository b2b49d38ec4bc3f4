import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]']

/**
 * The first check of every request. A server on this machine is reachable by every page in its browser, so the
 * `Host` has to be its own (DNS rebinding) and neither `Origin` nor `Sec-Fetch-Site` may be foreign.
 *
 * Throws `misdirected_request` and `foreign_origin`.
 */
export function assertOwnRequest(request: Request, ownUrls: readonly string[], crossOrigin: boolean): void {
  const url = new URL(request.url)
  const { hostname } = url
  if (!LOOPBACK_HOSTS.includes(hostname) && !ownUrls.some((own) => new URL(own).hostname === hostname)) {
    throw new AuthsecError('misdirected_request', `the host ${quote(hostname)} is not this server`)
  }
  if (crossOrigin) return

  const site = request.headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none') {
    throw new AuthsecError('foreign_origin', 'requests from pages of another origin are refused')
  }
  const origin = request.headers.get('origin')
  if (origin !== null && origin !== url.origin) {
    throw new AuthsecError('foreign_origin', `the origin ${quote(origin)} is not this server's`)
  }
}
