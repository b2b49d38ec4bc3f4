// What a caller may write without saying what the types of a framework are: `npm run check` fails where one of these lines
// does not compile. It is never run.

import { requireDelegation as requireForExpress } from 'authsec/express'
import { requireDelegation as requireForFastify } from 'authsec/fastify'
import type { DelegationVerifier } from 'authsec/verify'
import express from 'express'
import fastify, { type FastifyRequest } from 'fastify'

const serve = async () => 'served'

export function guardExpress(verifier: DelegationVerifier): void {
  const app = express()
  app.get('/', requireForExpress(verifier))
  app.get(
    '/tool',
    requireForExpress(verifier, ({ url = '' }) => ({ tool: url })),
  )
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
