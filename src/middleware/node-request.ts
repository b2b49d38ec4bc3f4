import type { IncomingMessage } from 'node:http'
import { parseBody } from './call-fields.js'
import type { IncomingRequest } from './guard.js'

/** A request of Node, with what routers and body parsers add to it. */
export type NodeRequest = IncomingMessage & {
  params?: unknown
  body?: unknown
}

/** Shows a request of Node. A body that nobody has parsed is read, and becomes the request's `body`. */
export function showNodeRequest(request: NodeRequest): IncomingRequest {
  return {
    // Of several headers Node shows the first alone by their joint name.
    authorization: request.headersDistinct['authorization'] ?? [],
    path: () => (request.params ?? {}) as Record<string, unknown>,
    query: () => new URL(request.url ?? '/', 'http://localhost').searchParams,
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

// RFC 9112 §6.3: a request without either of them has no body.
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
