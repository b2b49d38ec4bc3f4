import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readQueryString, requireBoolean, requireString } from '../fields.js'
import { tenantDomain } from './wire.js'

export const activationInfo: Endpoint<'public'> = {
  method: 'GET',
  paths: authsecPaths('/uflow/auth/device/activate/info'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'What a device with a user code wants',
  speaks: 'AuthSec A',
  differences: 'ten wrong codes within five minutes are 429',
  event: 'device.read',
  limit: 'activate',
  errors: 'authsec',
  refusals: { not_found: [400, 'Invalid or expired user code'] },

  async handle(request, { authority, provenance, serverUrl }) {
    const userCode = readQueryString(new URL(request.url).searchParams, 'user_code')
    if (userCode === undefined) throw new AuthsecError('invalid_request', 'user_code is required')
    const { scopes, deviceInfo, expiresAt } = await authority.devices.find(userCode, provenance)
    return Response.json({
      success: true,
      user_code: userCode,
      tenant_domain: tenantDomain(serverUrl),
      ...(deviceInfo !== undefined && { device_info: JSON.parse(deviceInfo) }),
      scopes,
      expires_at: formatTime(expiresAt),
    })
  },
}

export const verifyUserCode: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/device/verify'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Whether a user code waits for an answer',
  speaks: 'AuthSec A',
  differences: 'ten wrong codes within five minutes are 429',
  event: 'device.read',
  limit: 'activate',
  errors: 'authsec',

  async handle(request, { authority, provenance }) {
    const userCode = requireString(await readJson(request), 'user_code')
    const approval = await authority.devices.find(userCode, provenance).catch((error) => {
      if (AuthsecError.is(error, 'not_found')) return undefined
      throw error
    })
    const expiresIn = approval && Math.floor((approval.expiresAt - authority.clock()) / 1000)
    return Response.json(
      approval === undefined
        ? { valid: false, error: 'invalid_code' }
        : { valid: true, device_code_id: approval.id, expires_in: expiresIn },
    )
  },
}

export const authorizeDevice: Endpoint<'session'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/device/authorize'),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'Let a device log in, or not',
  speaks: 'AuthSec A',
  differences: 'a session that a client holds may not answer; ten wrong codes within five minutes are 429',
  event: 'device.approved',
  limit: 'activate',
  errors: 'authsec',
  refusals: { not_found: [400, 'Invalid or expired user code'] },

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const approve = requireBoolean(body, 'approved')
    const userCode = requireString(body, 'user_code')
    await authority.devices.answer(userCode, { session: caller, approve }, provenance)
    return Response.json({ status: approve ? 'authorized' : 'denied' })
  },
}

export const authorizeDeviceLegacy: Endpoint<'session'> = {
  ...authorizeDevice,
  paths: authsecPaths('/uflow/auth/device/verify-legacy'),
  summary: 'Let a device log in, or not, in older words',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const approve = requireBoolean(body, 'approve')
    const userCode = requireString(body, 'user_code')
    await authority.devices.answer(userCode, { session: caller, approve }, provenance)
    return Response.json({ success: true, message: approve ? 'Device authorized' : 'Device denied' })
  },
}
