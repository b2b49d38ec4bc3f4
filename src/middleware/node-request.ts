import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { parseBody } from './call-fields.js'
import type { IncomingRequest } from './guard.js'

/** A request of Node, of HTTP/1.1 or HTTP/2. */
export type BareNodeRequest = IncomingMessage | Http2ServerRequest

/** The same with what routers and body parsers add to it. */
export type NodeRequest = BareNodeRequest & {
  params?: unknown
  body?: unknown
  /** What express adds: where the router is mounted, and the route that has been found. */
  baseUrl?: unknown
  route?: unknown
  /** How its innermost router goes on. */
  next?: unknown
}

/**
 * Shows a request of Node, which goes on with `next`. A body that nobody has parsed is read, and becomes the request's
 * `body`.
 */
export function showNodeRequest(request: NodeRequest, next?: unknown): IncomingRequest {
  return {
    authorization: listAuthorization(request.rawHeaders),
    mountedAt: typeof request.baseUrl === 'string' ? request.baseUrl : '',
    path() {
      // A former route is still named behind it; a route at work is told by a `next` that is not the one of its router.
      const isAtRoute = request.route !== undefined && request.next !== next
      if (typeof request.baseUrl === 'string' && !isAtRoute) {
        throw new TypeError(
          'with call, requireDelegation stands at the route itself: app.post(path, guard, …)',
        )
      }
      return (request.params ?? {}) as Record<string, unknown>
    },
    // From the question mark on: not every path is one of a URL, as // is not.
    query: () => new URL((request.url ?? '').replace(/^[^?#]*/, ''), 'http://localhost').searchParams,
    async body() {
      if (request.body === undefined && hasBody(request)) {
        if (request.readableDidRead) {
          throw new TypeError('the body was read before requireDelegation, and not kept as request.body')
        }
        request.body = await parseBody(request.iterator({ destroyOnReturn: false })).catch((error) => {
          // Whoever sends too much still reads the answer, and the rest of it does not stop up their connection.
          request.resume()
          throw error
        })
      }
      return request.body
    },
  }
}

// Of several headers Node shows the first alone by their joint name, and each for itself in HTTP/1.1 alone.
function listAuthorization(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_text, at) => at % 2 === 1 && /^authorization$/i.test(rawHeaders[at - 1] ?? ''))
}

/** Whether a request has a body: RFC 9112 §6.3; HTTP/2 needs no field that says so, RFC 9113 §8.1. */
export function hasBody(request: NodeRequest): boolean {
  if ('stream' in request) return !request.stream.endAfterHeaders
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
