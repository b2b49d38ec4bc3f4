// Every way in which the server issues a token, each with its audit record on disk before the answer leaves, beside
// servers that record nothing, and beside what a server of one thread can do at best.

import { measureInTurn } from './load.js'
import { compareSeries } from './ratio.js'
import { openServers } from './targets.js'

export const mint = {
  name: 'mint',
  title: 'tokens with durable audit, throughput relative to client_credentials of the same algorithm of',

  async measure() {
    const servers = openServers()
    try {
      const ours = await servers.startOurs()
      const oidc = await servers.startOidcProvider()
      const mock = await servers.startMockServer()
      const ceiling = await servers.startCeiling()
      const targets = [ours.exchange, ours.ES256, ours.RS256, oidc.ES256, oidc.RS256, mock.ES256, ceiling]
      const [exchange, es256, rs256, oidcES256, oidcRS256, mockES256, best] = await measureInTurn(targets)

      const compare = (what, one, other, atLeast) => ({
        what,
        ratio: compareSeries(one.throughput, other.throughput),
        ...(atLeast && { aim: { atLeast } }),
      })
      const spread = (what, { p99, p50 }) => ({ what, ratio: compareSeries(p99, p50), aim: { atMost: 3 } })
      return [
        compare('oidc-provider 9: exchange', exchange, oidcES256, 1.5),
        compare('oidc-provider 9: client ES256', es256, oidcES256, 1.5),
        compare('oidc-provider 9: client RS256', rs256, oidcRS256, 1),
        compare('oauth2-mock-server 8: exchange', exchange, mockES256, 2.5),
        compare('oauth2-mock-server 8: client ES256', es256, mockES256, 2.5),
        compare('oidc-provider 9: the ceiling', best, oidcES256),
        compare('the ceiling: exchange', exchange, best),
        spread('p99 to p50 of 32: exchange', exchange),
        spread('p99 to p50 of 32: client ES256', es256),
        spread('p99 to p50 of 32: client RS256', rs256),
      ]
    } finally {
      await servers.close()
    }
  },
}
