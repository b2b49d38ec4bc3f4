import { readDelegation, requireDelegation } from 'authsec/express'
import { createVerifier } from 'authsec/verify'
import express from 'express'

const verifier = createVerifier({
  serverUrl: process.env['AUTHSEC_SERVER']!,
  audience: 'https://billing.example',
})
const api = express()

const reading = requireDelegation(verifier, { permissions: ['billing:read'] })
api.get(['/bill', '/bills', '/plan'], reading, (request, response) => {
  const { user, actor } = readDelegation(request)
  response.json({ bill: '49.00 EUR', for: user.id, by: actor.clientId })
})

const refund = { tool: 'refund', call: { bound: ['invoice', 'amount'], unbound: ['note'] } }
api.post('/refunds', requireDelegation(verifier, refund), (request, response) => {
  response.json({ refunded: readDelegation(request).call })
})

const server = api.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  console.log(server.address())
})
