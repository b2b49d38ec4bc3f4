import type { Context, MiddlewareHandler } from 'hono'
import { parseText } from './call-fields.js'
import { createGuard, type DelegatedRequest, type Demand, type RouteVerifier } from './guard.js'
import { showWebRequest, toResponse } from './web-request.js'

export type { CallFields } from './call-fields.js'
export type { DelegatedRequest, RouteExpectation } from './guard.js'

/** What the handlers after `requireDelegation` find in their context: `c.var.delegation`. */
export interface DelegationEnv {
  Variables: DelegatedRequest
}

/** What of a context of hono is looked at. */
export interface GuardedContext {
  req: { raw: Request; routePath: string; param(): Record<string, string>; text(): Promise<string> }
}

/**
 * A middleware of whatever copy of hono the API has. Where that is the one of this package, the handlers after it know
 * `c.var.delegation` by its type; otherwise they do in a `new Hono<DelegationEnv>()`.
 */
export type DelegationMiddleware = ((
  context: GuardedContext,
  next: () => Promise<void>,
) => Promise<Response | undefined>) &
  MiddlewareHandler<DelegationEnv>

/**
 * A middleware for hono. Lets a request through when it carries a delegation token that the verifier accepts and that
 * meets the expectation; the handlers after it find it as `c.var.delegation`. Otherwise answers 400, 401 or 403 with a
 * challenge (RFC 6750 §3, RFC 9728 §5.1), or 503 when nobody can tell. A fault of the API itself is thrown.
 *
 * With `call`, it stands at the route itself, where the fields of the path are known; in an app that another one mounts
 * (`app.mount`), the fields of the path above are nowhere to be seen, so such a call is given by a function.
 */
export function requireDelegation<C extends GuardedContext = Context>(
  verifier: RouteVerifier,
  expect: Demand<C> = {},
): DelegationMiddleware {
  const guard = createGuard(verifier, expect)

  return async (context: GuardedContext, next: () => Promise<void>) => {
    const { req } = context
    const incoming = showWebRequest(req.raw)
    const outcome = await guard(context as C, {
      ...incoming,
      path() {
        if (!req.routePath.includes('/*')) return req.param()
        throw new TypeError(
          'with call, requireDelegation stands at the route itself: app.post(path, guard, …)',
        )
      },
      // What a validator has read, hono has at hand.
      body: async () => (req.raw.bodyUsed ? parseText(await req.text()) : incoming.body()),
    })
    if ('refusal' in outcome) return toResponse(outcome.refusal)
    ;(context as Context<DelegationEnv>).set('delegation', outcome.delegation)
    await next()
    return undefined
  }
}
