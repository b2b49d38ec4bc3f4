import { readDelegation, requireDelegation } from 'authsec/fastify'
import { createVerifier } from 'authsec/verify'
import fastify from 'fastify'

const verifier = createVerifier({
  serverUrl: process.env['AUTHSEC_SERVER']!,
  audience: 'https://billing.example',
})
const api = fastify()

const preHandler = requireDelegation(verifier, { permissions: ['billing:read'] })
api.get('/bill', { preHandler }, async (request) => {
  const { user, actor } = readDelegation(request)
  return { bill: '49.00 EUR', for: user.id, by: actor.clientId }
})

await api.listen({ port: Number(process.env['PORT'] ?? 3000), host: '127.0.0.1' })
console.log(api.server.address())
