import { POLL_INTERVAL, readCeiling } from '../../authority/approvals.js'
import { cibaGrant } from '../../authority/grants/ciba.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readIdempotencyKey } from '../idempotency.js'
import { readScopes, refuseResource } from './wire.js'

const ENDPOINT = '/oauth/bc-authorize'
const HINTS = ['login_hint', 'login_hint_token', 'id_token_hint']

/** Backchannel authentication, OpenID CIBA Core §7, in poll mode. */
export const bcAuthorize: Endpoint<'public'> = {
  method: 'POST',
  paths: [ENDPOINT],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Ask a person who is elsewhere for approval, CIBA in poll mode',
  speaks: 'OpenID CIBA Core 1.0',
  differences:
    'poll mode only; no id_token and no signed requests; login_hint (an e-mail address or a user id) is the only ' +
    'hint; scopes as at the device authorization endpoint, and openid may be left out; the same request with the ' +
    'same Idempotency-Key (random, and as secret as what it gets) is the same question, and gets the same auth_req_id',
  event: 'approval.requested',
  limit: 'ask',
  errors: 'oauth',

  async handle(request, { authority, provenance }) {
    const asked = await readClientRequest(request)
    const { form } = asked
    const { clientAuthentication, ciba } = authority
    const purpose = { grantType: cibaGrant.grantType, endpoint: ENDPOINT }
    const client = await clientAuthentication.authenticate(asked, provenance, purpose)
    refuseResource(form)
    if (form.has('request')) throw invalid('signed requests are not supported: send the parameters')
    const scopes = readScopes(form)
    const { authReqId, approval } = await ciba.start(
      {
        form: 'oauth',
        clientId: client.id,
        loginHint: readHint(form),
        bindingMessage: form.get('binding_message'),
        scopes,
        ceiling: readCeiling(scopes, { lenient: false }),
        ttlSeconds: readExpiry(form.get('requested_expiry')),
        idempotencyKey: readIdempotencyKey(request),
      },
      provenance,
    )
    return Response.json({
      auth_req_id: authReqId,
      expires_in: Math.ceil((approval.expiresAt - authority.clock()) / 1000),
      interval: POLL_INTERVAL,
    })
  },
}

// §7.1: one hint and no more.
function readHint(form: ReadonlyMap<string, string>): string {
  const given = HINTS.filter((name) => form.has(name))
  if (given.length !== 1) throw invalid(`exactly one of ${HINTS.join(', ')} is required`)
  const hint = form.get('login_hint')
  if (hint === undefined) throw invalid(`${given[0]} is not supported: send login_hint`)
  return hint
}

function readExpiry(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw invalid(`requested_expiry ${quote(text)} is not a positive number`)
  return Number(text)
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_request', message)
}
