import type { VerifiedDelegation } from '../verify/delegation.js'
import { createGuard, type Demand, type RouteVerifier } from './guard.js'
import { showWebRequest, toResponse } from './web-request.js'

export type { CallFields } from './call-fields.js'
export type { RouteExpectation } from './guard.js'

/** A handler of requests of the Web; what its host passes beside the request it passes on. */
export type WebHandler<Rest extends unknown[], R extends Request = Request> = (
  request: R,
  delegation: VerifiedDelegation,
  ...rest: Rest
) => Response | Promise<Response>

/**
 * Puts a guard before a handler that takes a `Request` and returns a `Response`, as workers, Deno, Bun and the routes
 * of many frameworks do. The handler is called when the request carries a delegation token that the verifier accepts
 * and that meets the expectation. Otherwise the answer is 400, 401 or 403 with a challenge (RFC 6750 §3, RFC 9728
 * §5.1), or 503 when nobody can tell. Rejects for a fault of the API itself.
 *
 * No router has read the path here: a `call` of which a field stands in the path is given by a function.
 */
export function requireDelegation<Rest extends unknown[] = [], R extends Request = Request>(
  verifier: RouteVerifier,
  expect: Demand<R>,
  handler: WebHandler<Rest, R>,
): (request: R, ...rest: Rest) => Promise<Response> {
  const guard = createGuard(verifier, expect)

  return async (request, ...rest) => {
    const outcome = await guard(request, showWebRequest(request))
    return 'refusal' in outcome ? toResponse(outcome.refusal) : handler(request, outcome.delegation, ...rest)
  }
}
