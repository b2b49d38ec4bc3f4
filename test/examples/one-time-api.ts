import { requireDelegation } from 'authsec/express'
import { createVerifier } from 'authsec/verify'
import express from 'express'

const { AUTHSEC_SERVER, BILLING_CLIENT_ID, BILLING_SECRET, PORT } = process.env
const verifier = createVerifier({
  serverUrl: AUTHSEC_SERVER!,
  audience: 'https://billing.example',
  // The client that runs this API: it may ask the server about tokens for it, and tell it that they were used.
  client: { clientId: BILLING_CLIENT_ID!, credentials: { clientSecret: BILLING_SECRET! } },
  replay: 'server',
  introspect: ({ permissions }) => permissions.includes('billing:refund'),
  useReceipts: true,
})
const api = express()

api.post('/once', requireDelegation(verifier, { oneTime: true }), (_request, response) => {
  response.json({ served: true })
})

api.post(
  '/refunds',
  requireDelegation(verifier, { permissions: ['billing:refund'] }),
  (_request, response) => {
    response.json({ refunded: true })
  },
)

api.get('/.well-known/oauth-protected-resource', async (_request, response) => {
  response.json(await verifier.describeResource())
})

const server = api.listen(Number(PORT ?? 3000), '127.0.0.1', () => {
  console.log(server.address())
})
