import type { AuthsecError } from '../core/errors.js'
import type { VerifiedDelegation } from '../verify/delegation.js'
import type { Expectation } from '../verify/expectation.js'
import type { DelegationVerifier } from '../verify/verifier.js'
import { describeRefusal, type HttpRefusal, readBearerToken } from './bearer.js'
import { assertCallFields, type CallFields, collectCall, type RequestFields } from './call-fields.js'

/** What a route demands of every request. */
export interface RouteExpectation extends Omit<Expectation, 'call'> {
  /** The fields of a request that make up the call; the token has to be bound to them. Needs `tool`. */
  call?: CallFields
}

/** What a route demands, or how that follows from the request, then with the arguments of the call themselves. */
export type Demand<Request> = RouteExpectation | ((request: Request) => Expectation | Promise<Expectation>)

/** What of a verifier stands before a route. */
export type RouteVerifier = Pick<DelegationVerifier, 'verify' | 'assertExpectation' | 'resourceMetadata'>

/** A request as every framework can show it; what is costly is read when it is needed. */
export interface IncomingRequest extends RequestFields {
  /** Every `Authorization` header. */
  authorization: readonly string[]
}

/** A request that `requireDelegation` has let through. */
export interface DelegatedRequest {
  delegation: VerifiedDelegation
}

/** What becomes of a request. */
export type Outcome = DelegatedRequest | { refusal: HttpRefusal }

/**
 * Decides about the requests of a route, in whatever framework it is written. Throws for an expectation that cannot be
 * held to; what it returns rejects for a fault of the API itself, which is no verdict about the request.
 */
export function createGuard<Request>(
  verifier: RouteVerifier,
  demand: Demand<Request>,
): (request: Request, incoming: IncomingRequest) => Promise<Outcome> {
  const readExpectation = createReader(verifier, demand)
  const { resourceMetadata } = verifier

  return async (request, incoming) => {
    let expect: Expectation | undefined
    try {
      const token = readBearerToken(incoming.authorization)
      expect = await readExpectation(request, incoming)
      return { delegation: await verifier.verify(token, expect) }
    } catch (error) {
      const refusal = describeRefusal(error as AuthsecError, { expect, resourceMetadata })
      if (refusal === undefined) throw error
      return { refusal }
    }
  }
}

/** The delegation of a request that was let through; throws a `TypeError` where nobody asked for one. */
export function readDelegation(request: object): VerifiedDelegation {
  const { delegation } = request as Partial<DelegatedRequest>
  if (delegation === undefined) throw new TypeError('requireDelegation does not stand before this handler')
  return delegation
}

function createReader<Request>(
  verifier: RouteVerifier,
  demand: Demand<Request>,
): (request: Request, incoming: RequestFields) => Expectation | Promise<Expectation> {
  if (typeof demand === 'function') {
    return async (request) => {
      const expected = await demand(request)
      // A function that returns nothing has forgotten to demand something.
      verifier.assertExpectation(expected)
      return expected
    }
  }
  const { call: fields, ...expected } = demand
  if (fields === undefined) {
    verifier.assertExpectation(demand)
    return () => expected
  }
  assertCallFields(fields)
  verifier.assertExpectation({ ...expected, call: {} })
  return async (_request, incoming) => ({ ...expected, call: await collectCall(fields, incoming) })
}
