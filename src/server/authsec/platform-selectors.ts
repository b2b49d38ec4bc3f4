import { PLATFORM_SELECTORS } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readQueryString } from '../fields.js'
import { assertTenant, CLIENTS } from './tenant.js'

export const platformSelectors: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${CLIENTS}/platform-selectors`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List by what a workload of a platform can be recognised',
  speaks: 'AuthSec A',
  event: 'client.read',
  errors: 'authsec',

  async handle(request, { authority, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const platform = readQueryString(new URL(request.url).searchParams, 'platform') ?? ''
    if (Object.hasOwn(PLATFORM_SELECTORS, platform)) {
      return Response.json({ platform, selector_keys: PLATFORM_SELECTORS[platform] })
    }
    const error = new AuthsecError('invalid_request', `unsupported platform ${quote(platform)}`)
    // Its body has a list, which no error carries: so it is recorded and written here.
    await authority.audit
      .attempt({ type: 'client.read' }, provenance, () => Promise.reject(error))
      .catch((recorded) => {
        if (!AuthsecError.is(recorded, 'invalid_request')) throw recorded
      })
    return Response.json(
      { error: error.message, supported_platforms: Object.keys(PLATFORM_SELECTORS) },
      { status: 400 },
    )
  },
}
