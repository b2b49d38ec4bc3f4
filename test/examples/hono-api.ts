import { serve } from '@hono/node-server'
import { requireDelegation } from 'authsec/hono'
import { createVerifier } from 'authsec/verify'
import { Hono } from 'hono'

const verifier = createVerifier({
  serverUrl: process.env['AUTHSEC_SERVER']!,
  audience: 'https://billing.example',
})
const api = new Hono()

api.get('/bill', requireDelegation(verifier, { permissions: ['billing:read'] }), (context) => {
  const { user, actor } = context.var.delegation
  return context.json({ bill: '49.00 EUR', for: user.id, by: actor.clientId })
})

serve({ fetch: api.fetch, port: Number(process.env['PORT'] ?? 3000), hostname: '127.0.0.1' }, (address) => {
  console.log(address)
})
