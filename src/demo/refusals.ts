import type { AuthsecClient } from '../sdk/index.js'
import { type DemoApi, type DemoParts, findApi } from './apis.js'
import type { StoryEvent } from './events.js'
import { REFUND_PERMISSION, REFUND_TOOL } from './refunds.js'

/** One digit is changed between the moment the token is made and the call. Whether that was refused. */
export async function refundMore({ authsec, apis, tell }: DemoParts): Promise<boolean> {
  const what = 'a token made for a refund of 20.00 EUR, sent with a refund of 90.00 EUR'
  const refund = { invoice: 'INV-7', amount: '20.00' }
  const response = await tryRefund(authsec, apis, {
    approvedAs: refund,
    sent: { ...refund, amount: '90.00' },
  })
  return tellApiRefusal(response, 403, 'call_mismatch', { api: 'billing', what, tell })
}

/** A refund above the limit by the standing delegation alone. Whether that was refused. */
export async function refundWithoutApproval({ authsec, apis, tell }: DemoParts): Promise<boolean> {
  const what = 'a refund of 120.00 EUR that alice was not asked about'
  const refund = { invoice: 'INV-7', amount: '120.00' }
  const response = await tryRefund(authsec, apis, { approvedAs: refund, sent: refund })
  return tellApiRefusal(response, 403, 'approval_required', { api: 'billing', what, tell })
}

/** A token that was asked for with one second to live, after that second. Whether it was refused. */
export async function callWithExpiredToken({ authsec, apis, tell, signal }: DemoParts): Promise<boolean> {
  const api = findApi(apis, 'billing')
  const token = await authsec.getDelegationToken({
    audience: api.audience,
    permissions: ['billing:read'],
    ttlSeconds: 1,
  })
  await sleep(token.expiresAt.getTime() - Date.now() + 50, signal)
  tell({ type: 'waited', seconds: 1, why: 'the life of a token that was asked for with one second' })
  const what = 'a token that has just expired, sent to the billing API'
  const response = await call(api, token.authorization())
  return tellApiRefusal(response, 401, 'token_expired', { api: api.name, what, tell })
}

/** A token for one API at another. Whether it was refused. */
export async function callAnotherApi({ authsec, apis, tell }: DemoParts): Promise<boolean> {
  const { audience } = findApi(apis, 'billing')
  const api = findApi(apis, 'orders')
  const token = await authsec.getDelegationToken({ audience, permissions: ['billing:read'] })
  const what = 'a token for the billing API, sent to the orders API'
  const response = await call(api, token.authorization())
  return tellApiRefusal(response, 401, 'audience_mismatch', { api: api.name, what, tell })
}

async function tryRefund(
  authsec: AuthsecClient,
  apis: readonly DemoApi[],
  { approvedAs, sent }: { approvedAs: object; sent: object },
): Promise<Response> {
  const api = findApi(apis, 'billing')
  const token = await authsec.getDelegationToken({
    audience: api.audience,
    permissions: [REFUND_PERMISSION],
    tool: REFUND_TOOL,
    binding: 'call',
    call: approvedAs,
  })
  return call(api, token.authorization(), { method: 'POST', body: JSON.stringify(sent) })
}

function call(api: DemoApi, authorization: string, init: RequestInit = {}): Promise<Response> {
  return fetch(api.url, { ...init, headers: { authorization } })
}

async function tellApiRefusal(
  response: Response,
  status: number,
  expected: string,
  { api, what, tell }: { api: string; what: string; tell: (event: StoryEvent) => void },
): Promise<boolean> {
  const { code } = (await response.json()) as { code?: string }
  const by = `the ${api} API with ${response.status}`
  tell({ type: 'refused', what, by, code: code ?? 'not refused' })
  return response.status === status && code === expected
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
