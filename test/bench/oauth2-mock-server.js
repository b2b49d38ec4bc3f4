// oauth2-mock-server as a peer of `npm run bench`: issues ES256 JWT access tokens by client_credentials. Says its
// address in one line of JSON, as `authsec dev serve --json` does.

import { OAuth2Server } from 'oauth2-mock-server'

const server = new OAuth2Server()
await server.issuer.keys.generate('ES256')
await server.start(0, '127.0.0.1')
process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
