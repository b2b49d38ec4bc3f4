import { AuthsecError } from '../core/errors.js'
import type { Presented } from './check.js'
import { isOneTime } from './demand-checks.js'
import type { IssuerClient } from './issuer-client.js'
import type { Settings } from './settings.js'

/** Tells the server which call tokens were accepted, beside the requests and never in their way. */
export interface UseReceipts {
  send(token: string, presented: Presented): void
}

/** So many are under way at once; what is more is reported as lost. */
const MAX_UNDER_WAY = 100

export function createUseReceipts(
  { useReceipts, replay, onEvent }: Settings,
  server: IssuerClient | undefined,
): UseReceipts {
  if (!useReceipts || server === undefined) return { send() {} }
  let underWay = 0

  const deliver = async (token: string, jti: string) => {
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
      if (profile.name !== 'call' || (replay === 'server' && isOneTime(claims))) return
      const jti = String(claims['jti'])
      if (underWay >= MAX_UNDER_WAY) onEvent({ type: 'receipt.lost', jti, code: 'temporarily_unavailable' })
      else void deliver(token, jti)
    },
  }
}
