import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { parseBody } from './call-fields.js'
import type { IncomingRequest } from './guard.js'

/** A request of Node, of HTTP/1.1 or HTTP/2, with what routers and body parsers add to it. */
export type NodeRequest = (IncomingMessage | Http2ServerRequest) & {
  params?: unknown
  body?: unknown
}

/** Shows a request of Node. A body that nobody has parsed is read, and becomes the request's `body`. */
export function showNodeRequest(request: NodeRequest): IncomingRequest {
  return {
    authorization: listAuthorization(request.rawHeaders),
    path: () => (request.params ?? {}) as Record<string, unknown>,
    // From the question mark on: not every path is one of a URL, as // is not.
    query: () => new URL((request.url ?? '').replace(/^[^?#]*/, ''), 'http://localhost').searchParams,
    async body() {
      if (request.body === undefined && hasBody(request)) {
        if (request.readableDidRead) {
          throw new TypeError('the body was read before requireDelegation, and not kept as request.body')
        }
        request.body = await parseBody(request)
      }
      return request.body
    },
  }
}

// Of several headers Node shows the first alone by their joint name, and each for itself in HTTP/1.1 alone.
function listAuthorization(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_text, at) => at % 2 === 1 && /^authorization$/i.test(rawHeaders[at - 1] ?? ''))
}

// RFC 9112 §6.3: a request without either of them has no body. HTTP/2 needs neither, RFC 9113 §8.1.
function hasBody({ headers, httpVersionMajor }: NodeRequest): boolean {
  if (httpVersionMajor >= 2) return true
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
