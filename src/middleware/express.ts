import type { IncomingMessage, ServerResponse } from 'node:http'
import type { VerifiedDelegation } from '../verify/delegation.js'
import { assertExpectation, type Expectation } from '../verify/expectation.js'
import type { DelegationVerifier } from '../verify/verifier.js'
import { describeRefusal, readBearerToken } from './bearer.js'

/** A request that `requireDelegation` has let through. */
export interface DelegatedRequest {
  delegation: VerifiedDelegation
}

/** A handler for express, connect, or any router that calls its handlers like them. */
export type DelegationHandler<Request extends IncomingMessage> = (
  request: Request,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/**
 * Lets a request through when it carries a delegation token that the verifier accepts and that meets the
 * expectation; the handlers after it find it with `readDelegation`. Otherwise answers 400, 401 or 403 with a
 * challenge (RFC 6750 §3), or 503 when the keys cannot be had. A fault of the API itself goes to `next`.
 */
export function requireDelegation<Request extends IncomingMessage = IncomingMessage>(
  verifier: Pick<DelegationVerifier, 'verify'>,
  expect: Expectation | ((request: Request) => Expectation) = {},
): DelegationHandler<Request> {
  if (typeof expect !== 'function') assertExpectation(expect)

  return async (request, response, next) => {
    let expected: Expectation | undefined
    try {
      expected = typeof expect === 'function' ? expect(request) : expect
      const token = readBearerToken(request.headersDistinct['authorization'] ?? [])
      const delegation = await verifier.verify(token, expected)
      Object.assign(request, { delegation } satisfies DelegatedRequest)
    } catch (error) {
      const refusal = describeRefusal(error, { expect: expected })
      if (refusal === undefined) return next(error)
      response.writeHead(refusal.status, refusal.headers).end(JSON.stringify(refusal.body))
      return
    }
    next()
  }
}

/** The delegation of a request that `requireDelegation` has let through; throws a `TypeError` where it was not asked. */
export function readDelegation(request: object): VerifiedDelegation {
  const { delegation } = request as Partial<DelegatedRequest>
  if (delegation === undefined) throw new TypeError('requireDelegation does not stand before this handler')
  return delegation
}
