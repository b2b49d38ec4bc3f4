import type { IncomingMessage, ServerResponse } from 'node:http'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'
import { readDelegation, requireDelegation } from '../middleware/express.js'
import type { DelegationVerifier } from '../verify/index.js'
import type { StoryEvent } from './events.js'

/** Above this a refund needs the approval of the user, in EUR. */
export const REFUND_LIMIT = 50

export const REFUND_TOOL = 'refund_invoice'
export const REFUND_PERMISSION = 'billing:refund'

/**
 * The route of the billing API that pays money back. The token has to be bound to exactly the refund that has arrived,
 * and above the limit to come from the user rather than from a standing delegation: both are decided here, not by the
 * agent.
 */
export function createRefundRoute(verifier: DelegationVerifier, tell: (event: StoryEvent) => void) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = await readRefund(request)
    if (call === undefined) return answer(response, 400, { code: 'invalid_request' })
    const expected = { permissions: [REFUND_PERMISSION], tool: REFUND_TOOL, call }
    const guard = requireDelegation(verifier, () => expected)
    await guard(request, response, (error) => {
      if (error !== undefined) return answer(response, 500, { code: 'internal' })
      const { actor, user, claims } = readDelegation(request)
      const isApproved = 'authsec_grant' in claims && claims.authsec_grant === 'user'
      if (Number(call.amount) > REFUND_LIMIT && !isApproved) {
        return answer(response, 403, { code: 'approval_required' })
      }
      const { invoice, amount } = call
      tell({ type: 'refunded', amount, invoice, approved: isApproved, agent: actor.clientId, user: user.id })
      answer(response, 200, { refunded: `${amount} EUR`, invoice })
    })
  }
}

interface Refund extends JsonObject {
  invoice: string
  amount: string
}

// Every field is bound, so none may be there that nobody looks at.
async function readRefund(request: IncomingMessage): Promise<Refund | undefined> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > 1_024) return undefined
  }
  try {
    const body: unknown = JSON.parse(text)
    if (!isJsonObject(body)) return undefined
    const { invoice, amount, ...others } = body
    if (typeof invoice !== 'string' || typeof amount !== 'string' || Object.keys(others).length > 0) {
      return undefined
    }
    return /^\d{1,6}\.\d{2}$/.test(amount) ? { invoice, amount } : undefined
  } catch {
    return undefined
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
