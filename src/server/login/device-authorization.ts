import { readCeiling } from '../../authority/approvals.js'
import { deviceCode } from '../../authority/grants/device-code.js'
import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { formatDevice } from './device.js'
import { readScopes, refuseResource } from './wire.js'

/** Device authorization, RFC 8628 §3.1: what the device polls for comes from the token endpoint. */
export const deviceAuthorization: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/device_authorization'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Ask to log in on a device, RFC 8628',
  speaks: 'RFC 8628',
  differences:
    'a scope is a permission (openid, profile, email and offline_access are taken and not granted); without any the ' +
    'session may do what its user may, except admin:access',
  event: 'device.requested',
  limit: 'ask',
  errors: 'oauth',

  async handle(request, { authority, provenance, serverUrl }) {
    const asked = await readClientRequest(request)
    const { form } = asked
    const { grantType } = deviceCode
    const client = await authority.clientAuthentication.authenticate(asked, provenance, { grantType })
    refuseResource(form)
    const scopes = readScopes(form)
    const started = await authority.devices.start(
      { form: 'oauth', clientId: client.id, scopes, ceiling: readCeiling(scopes, { lenient: false }) },
      provenance,
    )
    return Response.json(formatDevice(started, serverUrl))
  },
}
