import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Endpoint } from './endpoint.js'

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]']

/** Whom a server answers. */
export interface Gate {
  /** The host names that it is known by, beside those of this machine. */
  hosts: readonly string[]
  /** The origins of its own pages, as a browser sees them behind a proxy. */
  ownOrigins: readonly string[]
  /** The origins of other pages that may use what is asked for. */
  origins: readonly string[]
}

/**
 * The first check of every request. A server on this machine is reachable by every page in its browser, so the
 * `Host` has to be its own (DNS rebinding) and neither `Origin` nor `Sec-Fetch-Site` may be foreign.
 *
 * Throws `misdirected_request` and `foreign_origin`.
 */
export function assertOwnRequest(
  request: Request,
  { hosts, ownOrigins, origins }: Gate,
  { crossOrigin = false, anyHost = false }: Pick<Endpoint, 'crossOrigin' | 'anyHost'>,
): void {
  const { hostname, origin: own } = new URL(request.url)
  if (!anyHost && !LOOPBACK_HOSTS.includes(hostname) && !hosts.includes(hostname)) {
    throw new AuthsecError('misdirected_request', `the host ${quote(hostname)} is not this server`)
  }
  if (crossOrigin === true) return

  const origin = request.headers.get('origin')
  if (origin !== null && origins.includes(origin)) return
  const site = request.headers.get('sec-fetch-site')
  const isForeign = site !== null && site !== 'same-origin' && site !== 'none'
  if (isForeign && !(crossOrigin === 'navigation' && isTopLevel(request))) {
    throw new AuthsecError('foreign_origin', 'requests from pages of another origin are refused')
  }
  if (origin !== null && origin !== own && !ownOrigins.includes(origin)) {
    throw new AuthsecError('foreign_origin', `the origin ${quote(origin)} is not this server's`)
  }
}

// Somebody follows a link: not a frame, an image or a script. What takes a form lets nobody in by this.
function isTopLevel({ headers }: Request): boolean {
  return headers.get('sec-fetch-mode') === 'navigate' && headers.get('sec-fetch-dest') === 'document'
}
