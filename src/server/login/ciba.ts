import { APPROVAL_TTL, POLL_INTERVAL, readCeiling } from '../../authority/approvals.js'
import { LOGIN_SESSION_TTL } from '../../authority/logins.js'
import { AuthsecError } from '../../core/errors.js'
import type { JsonObject } from '../../core/strict-json.js'
import { formatTime } from '../../core/time.js'
import { isUuid } from '../../core/uuid.js'
import type { Approval } from '../../store/approvals.js'
import type { Client } from '../../store/store.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../endpoint.js'
import { readString, readStrings, requireBoolean, requireString } from '../fields.js'
import { DEFAULT_SCOPES } from './wire.js'

const ADMIN_PLANE = '/uflow/auth/ciba'
const TENANT_PLANES = ['/uflow/auth/tenant/ciba', '/uflow/auth/workspace/ciba']
/** What a token of the admin plane is said to live, in seconds: a year, as at AuthSec. */
const ADMIN_PLANE_TTL = 31_536_000

const tenantPaths = (path: string) => TENANT_PLANES.flatMap((plane) => authsecPaths(`${plane}${path}`))

export const initiateCiba: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths(`${ADMIN_PLANE}/initiate`),
  access: 'public',
  modes: ['dev'],
  summary: "Ask a person for approval, AuthSec's admin plane",
  speaks: 'AuthSec A',
  differences: 'a user needs no registered device; who answers is decided by --ciba',
  event: 'approval.requested',
  limit: 'ask',
  errors: 'polling',
  refusals: { unknown_user_id: [400, 'user_not_found'] },

  async handle(request, context) {
    const body = await readJson(request)
    return initiate(body, { form: 'authsec', loginHint: requireString(body, 'login_hint') }, context)
  },
}

export const initiateTenantCiba: Endpoint<'public'> = {
  ...initiateCiba,
  paths: tenantPaths('/initiate'),
  summary: "Ask a person for approval, AuthSec's tenant plane",
  refusals: { ...initiateCiba.refusals, invalid_client: [400, 'invalid_client'] },

  async handle(request, context) {
    const body = await readJson(request)
    const client = await findClient(requireString(body, 'client_id'), context)
    const loginHint = requireString(body, 'email')
    return initiate(body, { form: 'tenant', clientId: client.id, loginHint }, context)
  },
}

export const cibaToken: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths(`${ADMIN_PLANE}/token`),
  access: 'public',
  modes: ['dev'],
  summary: "Poll for an approval, AuthSec's admin plane",
  speaks: 'AuthSec A',
  event: 'session.started',
  limit: 'poll',
  errors: 'polling',
  refusals: {
    authorization_pending: [200, 'authorization_pending'],
    access_denied: [403, 'access_denied'],
  },

  async handle(request, context) {
    const handle = requireString(await readJson(request), 'auth_req_id')
    return redeem({ form: 'authsec', handle, clientId: undefined, sessionTtl: ADMIN_PLANE_TTL }, context)
  },
}

export const tenantCibaToken: Endpoint<'public'> = {
  ...cibaToken,
  paths: tenantPaths('/token'),
  summary: "Poll for an approval, AuthSec's tenant plane",
  differences: 'only the client that asked may poll: invalid_grant for another one, as in Gen B2',
  refusals: {
    authorization_pending: [202, 'authorization_pending'],
    access_denied: [400, 'access_denied'],
    invalid_client: [400, 'invalid_client'],
  },

  async handle(request, context) {
    const body = await readJson(request)
    const handle = requireString(body, 'auth_req_id')
    const { id } = await findClient(requireString(body, 'client_id'), context)
    return redeem({ form: 'tenant', handle, clientId: id, sessionTtl: LOGIN_SESSION_TTL }, context)
  },
}

export const respondCiba: Endpoint<'session'> = {
  method: 'POST',
  paths: [...authsecPaths(`${ADMIN_PLANE}/respond`), ...tenantPaths('/respond')],
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'Approve or deny what a program asks for',
  speaks: 'AuthSec A',
  differences:
    'takes the auth_req_id of GET /requests too; biometric_verified is not looked at; a session that a client holds ' +
    'may not answer',
  event: 'approval.approved',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const approve = requireBoolean(body, 'approved')
    const name = requireString(body, 'auth_req_id')
    await authority.ciba.answer(name, { session: caller, approve }, provenance)
    return Response.json({ success: true, message: approve ? 'Request approved' : 'Request denied' })
  },
}

export const listCibaRequests: Endpoint<'session'> = {
  method: 'GET',
  paths: [...authsecPaths(`${ADMIN_PLANE}/requests`), ...tenantPaths('/requests')],
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'What waits for the answer of the person who calls',
  speaks: 'AuthSec A',
  differences: 'auth_req_id is a name for /respond; the one that the program polls with is known to it alone',
  event: 'approval.read',
  errors: 'authsec',

  async handle(_request, { authority, caller }) {
    const waiting = await authority.ciba.listPending(caller)
    return Response.json({ requests: waiting.map(formatRequest), count: waiting.length })
  },
}

function formatRequest({ id, clientId, scopes, bindingMessage, createdAt, expiresAt }: Approval): object {
  return {
    auth_req_id: id,
    client_id: clientId ?? '',
    binding_message: bindingMessage ?? '',
    scopes,
    status: 'pending',
    created_at: formatTime(createdAt),
    expires_at: formatTime(expiresAt),
  }
}

async function initiate(
  body: JsonObject,
  request: { form: 'authsec' | 'tenant'; clientId?: string; loginHint: string },
  { authority, provenance }: EndpointContext<'public'>,
): Promise<Response> {
  const scopes = readStrings(body, 'scopes') ?? DEFAULT_SCOPES
  const { authReqId } = await authority.ciba.start(
    {
      ...request,
      scopes,
      ceiling: readCeiling(scopes, { lenient: true }),
      bindingMessage: readString(body, 'binding_message'),
    },
    provenance,
  )
  return Response.json({
    auth_req_id: authReqId,
    expires_in: APPROVAL_TTL,
    interval: POLL_INTERVAL,
    message: 'Authentication request sent',
  })
}

async function redeem(
  redemption: Parameters<EndpointContext<'public'>['authority']['ciba']['redeem']>[0],
  { authority, provenance }: EndpointContext<'public'>,
): Promise<Response> {
  const { token, scopes } = await authority.ciba.redeem(redemption, provenance)
  return Response.json({
    access_token: token,
    token_type: 'Bearer',
    expires_in: redemption.sessionTtl,
    scope: scopes.join(' '),
  })
}

// Some of AuthSec's SDKs call a client `<uuid>-main-client`.
async function findClient(text: string, { authority }: EndpointContext<'public'>): Promise<Client> {
  const id = text.replace(/-main-client$/, '')
  const client = isUuid(id) ? await authority.clients.find(id).catch(() => undefined) : undefined
  if (!client?.active) throw new AuthsecError('invalid_client', 'the client is unknown or not active')
  return client
}
