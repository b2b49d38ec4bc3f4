import { serve } from '@hono/node-server'
import { createVerifier } from 'authsec/verify'
import { requireDelegation } from 'authsec/web'

const verifier = createVerifier({
  serverUrl: process.env['AUTHSEC_SERVER']!,
  audience: 'https://billing.example',
})

// What a worker exports as `fetch`, or a route as its handler; here a server of Node calls it.
const fetch = requireDelegation(verifier, { permissions: ['billing:read'] }, (_request, { user, actor }) =>
  Response.json({ bill: '49.00 EUR', for: user.id, by: actor.clientId }),
)

serve({ fetch, port: Number(process.env['PORT'] ?? 3000), hostname: '127.0.0.1' }, (address) => {
  console.log(address)
})
