// How many call tokens the server issues, each with its audit record on disk before the answer leaves, beside servers
// that record nothing: their client_credentials grant, which is the least that any of them does for a signed token.

import { measureInTurn } from './load.js'
import { compareSeries } from './ratio.js'
import { openServers } from './targets.js'

export const exchange = {
  name: 'exchange',
  title: 'token exchange with durable audit, throughput relative to client_credentials (ES256) of',

  async measure() {
    const servers = openServers()
    try {
      const ours = await servers.startOurs()
      const mock = await servers.startMockServer()
      const oidc = await servers.startOidcProvider()
      const [own, toMock, toOidc] = await measureInTurn([ours.exchange, mock.ES256, oidc.ES256])
      return [
        { what: 'oauth2-mock-server 8', ratio: compareSeries(own.throughput, toMock.throughput) },
        {
          what: 'oidc-provider 9',
          ratio: compareSeries(own.throughput, toOidc.throughput),
          aim: { atLeast: 1.2 },
        },
      ]
    } finally {
      await servers.close()
    }
  },
}
