import { createGuard, type Demand, type RouteVerifier } from './guard.js'
import { type BareNodeRequest, showNodeRequest } from './node-request.js'

export type { CallFields } from './call-fields.js'
export { type DelegatedRequest, type RouteExpectation, readDelegation } from './guard.js'

/** What of a response of Node is used, of HTTP/1.1 or HTTP/2. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): { end(text: string): unknown }
}

/** A handler for express, connect, or any router that calls its handlers like them. */
export type DelegationHandler<Request> = (
  request: Request,
  response: NodeResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/**
 * Lets a request through when it carries a delegation token that the verifier accepts and that meets the
 * expectation; the handlers after it find it with `readDelegation`. Otherwise answers 400, 401 or 403 with a
 * challenge (RFC 6750 §3, RFC 9728 §5.1), or 503 when nobody can tell. A fault of the API itself goes to `next`.
 *
 * With `call`, it stands at the route itself, where the fields of the path are known, and after a parser of the body,
 * if there is one; under a router that is mounted, `call.mount` says where. Where no router has read the path, as in a
 * server of Node alone, a call of which a field stands there is given by a function.
 */
export function requireDelegation<Request extends BareNodeRequest = BareNodeRequest>(
  verifier: RouteVerifier,
  expect: Demand<Request> = {},
): DelegationHandler<NoInfer<Request>> {
  const guard = createGuard(verifier, expect)

  return async (request, response, next) => {
    try {
      const outcome = await guard(request, showNodeRequest(request, next))
      if ('refusal' in outcome) {
        const { status, headers, body } = outcome.refusal
        response.writeHead(status, headers).end(JSON.stringify(body))
        return
      }
      Object.assign(request, outcome)
    } catch (error) {
      return next(error)
    }
    next()
  }
}
