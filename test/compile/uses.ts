// What a caller may write without saying what the types of a framework are: `npm run check` fails where one of these
// lines does not compile. It is never run.

import type { AuthsecClient, DelegationSubject } from 'authsec'
import { requireDelegation as requireForExpress } from 'authsec/express'
import { requireDelegation as requireForFastify } from 'authsec/fastify'
import { requireDelegation as requireForHono } from 'authsec/hono'
import { delegationContext, delegationMiddleware } from 'authsec/langchain'
import type { DelegationVerifier } from 'authsec/verify'
import express from 'express'
import fastify, { type FastifyRequest } from 'fastify'
import { type Context, Hono, type HonoRequest } from 'hono'
import { type AgentMiddleware, createAgent, createMiddleware, fakeModel } from 'langchain'
import { z } from 'zod'

const serve = async () => 'served'

export function guardExpress(verifier: DelegationVerifier): void {
  const app = express()
  app.get('/', requireForExpress(verifier))
  app.get(
    '/tool',
    requireForExpress(verifier, ({ url = '' }) => ({ tool: url })),
  )
}

/** The handlers behind the guard know what express knows without it. */
export function serveBehindExpressGuard(verifier: DelegationVerifier): void {
  const app = express()
  const guard = requireForExpress(verifier)
  app.get('/a/:id', requireForExpress(verifier), ({ params }, response) => {
    response.json(params.id satisfies string)
  })
  app.post('/b', express.json(), requireForExpress(verifier), ({ body }, response) => {
    response.json(body.amount)
  })
  app.get('/c/:id', guard, ({ params }, response) => {
    response.json(params.id satisfies string)
  })
  app.route('/d/:id').get(guard, ({ params }, response) => {
    response.json(params.id)
  })
  const ofBill = ({ params }: express.Request<{ id: string }>) => ({ tool: 'read', call: { id: params.id } })
  app.get('/e/:id', requireForExpress(verifier, ofBill), ({ params }, response) => {
    response.json(params.id satisfies string)
  })
  const handler: express.RequestHandler = guard
  app.use(handler)
}

export function guardFastify(verifier: DelegationVerifier): void {
  const app = fastify()
  app.addHook(
    'preHandler',
    requireForFastify(verifier, ({ url }) => ({ tool: url })),
  )
  app.get('/', { preHandler: requireForFastify(verifier) }, serve)
  const byMethod = { preHandler: requireForFastify(verifier, async ({ method }) => ({ tool: method })) }
  app.get('/tool', byMethod, serve)
  type BillRequest = FastifyRequest<{ Params: { id: string } }>
  const ofBill = ({ params }: BillRequest) => ({ tool: 'read_bill', call: { id: params.id } })
  app.get('/bills/:id', { preHandler: requireForFastify(verifier, ofBill) }, serve)
}

export function guardHttp2(verifier: DelegationVerifier): void {
  const app = fastify({ http2: true })
  app.get('/', { preHandler: requireForFastify(verifier) }, serve)
  app.get('/tool', { preHandler: requireForFastify(verifier, ({ url }) => ({ tool: url })) }, serve)
}

export function guardHono(verifier: DelegationVerifier): void {
  const app = new Hono()
  app.use(requireForHono(verifier))
  const byParameter = requireForHono(verifier, ({ req }) => ({ tool: req.param('tool') ?? '' }))
  app.get('/:tool', byParameter, (context) => context.text(context.var.delegation.user.id))
  app.get(
    '/',
    requireForHono(verifier, ({ req }: Context) => ({ tool: req.query('tool') ?? '' })),
  )
}

/** A context of another copy of hono than that of the package: the symbols of its requests are others. */
type ForeignContext = Omit<Context, 'req'> & { req: Omit<HonoRequest, symbol> }
type Next = () => Promise<void>

export function guardForeignHono(
  verifier: DelegationVerifier,
  use: (handler: (context: ForeignContext, next: Next) => Promise<unknown>) => void,
): void {
  use(requireForHono(verifier))
  use(requireForHono(verifier, ({ req }: ForeignContext) => ({ tool: req.path })))
}

/** What langchain knows of the state and the context of an agent, it knows beside the middleware too. */
export async function secureAgent(authsec: AuthsecClient, subject: DelegationSubject): Promise<void> {
  const secured = delegationMiddleware(authsec, { tools: {} })
  const counting = createMiddleware({ name: 'counting', stateSchema: z.object({ calls: z.number() }) })
  const agent = createAgent({
    model: fakeModel(),
    tools: [],
    contextSchema: z.object({ authsec: z.unknown(), locale: z.string() }),
    middleware: [counting, secured] as const,
  })
  const context = { ...delegationContext(subject), locale: 'en' }
  const { calls, messages } = await agent.invoke({ messages: [], calls: 0 }, { context })
  calls.toFixed() satisfies string
  messages.length satisfies number
  createAgent({ model: fakeModel(), tools: [], middleware: [secured, secured satisfies AgentMiddleware] })
}
