import { APPROVAL_TTL, POLL_INTERVAL, readCeiling } from '../../authority/approvals.js'
import { LOGIN_SESSION_TTL } from '../../authority/logins.js'
import { AuthsecError } from '../../core/errors.js'
import { isJsonObject, type JsonObject } from '../../core/strict-json.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readStrings, requireString } from '../fields.js'
import { ACTIVATION_PATH, DEFAULT_SCOPES, tenantDomain } from './wire.js'

const MAX_DEVICE_INFO_LENGTH = 2_048

export const deviceCode: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/device/code'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Ask to log in on a device, in JSON',
  speaks: 'AuthSec A',
  differences: 'a scope that is a permission limits what the session may do',
  event: 'device.requested',
  limit: 'ask',
  errors: 'polling',

  async handle(request, { authority, provenance, serverUrl }) {
    const body = await readJson(request)
    // As at AuthSec, client_id and tenant_domain say nothing: the device is who approves it.
    const scopes = readStrings(body, 'scopes') ?? DEFAULT_SCOPES
    const ceiling = readCeiling(scopes, { lenient: true })
    const deviceInfo = readDeviceInfo(body)
    const started = await authority.devices.start(
      { form: 'authsec', scopes, ceiling, deviceInfo },
      provenance,
    )
    return Response.json(formatDevice(started, serverUrl))
  },
}

export const deviceToken: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/device/token'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Poll for the session of a device, in JSON',
  speaks: 'AuthSec A',
  differences: 'the session is made when it is fetched, with what the user may do then',
  event: 'session.started',
  limit: 'poll',
  errors: 'polling',
  refusals: {
    authorization_pending: [200, 'authorization_pending'],
    access_denied: [403, 'access_denied'],
  },

  async handle(request, { authority, provenance, serverUrl }) {
    const handle = requireString(await readJson(request), 'device_code')
    const redemption = {
      form: 'authsec',
      handle,
      clientId: undefined,
      sessionTtl: LOGIN_SESSION_TTL,
    } as const
    const { token, user, scopes } = await authority.devices.redeem(redemption, provenance)
    return Response.json({
      access_token: token,
      token_type: 'Bearer',
      expires_in: LOGIN_SESSION_TTL,
      scope: scopes.join(' '),
      email: user.email,
      user_id: user.id,
      tenant_id: authority.identity.tenantId,
      tenant_domain: tenantDomain(serverUrl),
      client_id: '',
    })
  },
}

/** What a device is told, in AuthSec's words and in those of RFC 8628 §3.2, which are the same. */
export function formatDevice(
  { deviceCode, userCode }: { deviceCode: string; userCode: string },
  serverUrl: string,
): object {
  const page = `${serverUrl}${ACTIVATION_PATH}`
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?user_code=${userCode}`,
    expires_in: APPROVAL_TTL,
    interval: POLL_INTERVAL,
  }
}

function readDeviceInfo(body: JsonObject): string | undefined {
  const info = body['device_info']
  if (info === undefined || info === null) return undefined
  const text = JSON.stringify(info)
  if (!isJsonObject(info) || text.length > MAX_DEVICE_INFO_LENGTH || !isStorable(text)) {
    throw new AuthsecError(
      'invalid_request',
      `device_info is not an object of at most ${MAX_DEVICE_INFO_LENGTH} characters of text`,
    )
  }
  return text
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !/\\u(?:d[89a-f]|0000)/i.test(text)
}
