import type { IncomingHttpHeaders } from 'node:http'
import { createGuard, type Demand, type RouteVerifier } from './guard.js'
import { hasBody, type NodeRequest, showNodeRequest } from './node-request.js'

export type { CallFields } from './call-fields.js'
export { type DelegatedRequest, type RouteExpectation, readDelegation } from './guard.js'

/** What of a request of fastify is looked at, and what a function that says what a route demands finds there. */
export interface GuardedRequest {
  raw: NodeRequest
  method: string
  url: string
  headers: IncomingHttpHeaders
  params: unknown
  query: unknown
  body: unknown
}

/** What of a reply of fastify is used. */
export interface GuardedReply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(payload: string): unknown
}

/**
 * A `preHandler` for fastify. Lets a request through when it carries a delegation token that the verifier accepts and
 * that meets the expectation; the handler finds it with `readDelegation`. Otherwise answers 400, 401 or 403 with a
 * challenge (RFC 6750 §3, RFC 9728 §5.1), or 503 when nobody can tell. A fault of the API itself is thrown.
 */
export function requireDelegation<Request extends GuardedRequest = GuardedRequest>(
  verifier: RouteVerifier,
  expect: Demand<Request> = {},
): (request: NoInfer<Request>, reply: GuardedReply) => Promise<unknown> {
  const guard = createGuard(verifier, expect)

  return async (request, reply) => {
    const outcome = await guard(request, {
      ...showNodeRequest(request.raw),
      path: () => (request.params ?? {}) as Record<string, unknown>,
      async body() {
        if (request.body === undefined && hasBody(request.raw)) {
          throw new TypeError(
            'with call, requireDelegation is a preHandler: here the body has not been parsed',
          )
        }
        return request.body
      },
    })
    if (!('refusal' in outcome)) {
      Object.assign(request, outcome)
      return undefined
    }
    const { status, headers, body } = outcome.refusal
    reply.code(status)
    reply.headers(headers)
    reply.send(JSON.stringify(body))
    return reply
  }
}
