import { AuthsecError } from '../core/errors.js'
import type { Presented } from './check.js'
import { isOneTime } from './demand-checks.js'
import { createIssuerClient } from './issuer-client.js'
import type { Settings } from './settings.js'

/** Tells the server which call tokens were accepted, beside the requests and never in their way. */
export interface UseReceipts {
  send(token: string, presented: Presented): void
}

/** So many are under way at once; what is more is reported as lost. */
const MAX_UNDER_WAY = 100

export function createUseReceipts(settings: Settings, findIssuer: () => Promise<string>): UseReceipts {
  const { source, client, useReceipts, onEvent, fetch, clock } = settings
  if (!useReceipts || !('serverUrl' in source) || client === undefined) return { send() {} }
  const server = createIssuerClient({ serverUrl: source.serverUrl, client, findIssuer, fetch, clock })
  let underWay = 0

  async function deliver(token: string, jti: string): Promise<void> {
    underWay++
    try {
      await server.reportUse(token)
    } catch (error) {
      onEvent({ type: 'receipt.lost', jti, code: AuthsecError.is(error) ? error.code : 'network' })
    } finally {
      underWay--
    }
  }

  return {
    send(token, { claims, profile }) {
      // What was used up at the server is on record there.
      if (profile.name !== 'call' || (settings.replay === 'server' && isOneTime(claims))) return
      const jti = String(claims['jti'])
      if (underWay >= MAX_UNDER_WAY) onEvent({ type: 'receipt.lost', jti, code: 'temporarily_unavailable' })
      else void deliver(token, jti)
    },
  }
}
