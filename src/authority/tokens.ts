import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Provenance } from './audit/log.js'
import type { ClientAuthentication } from './client-authentication.js'
import { cibaGrant } from './grants/ciba.js'
import { clientCredentials } from './grants/client-credentials.js'
import { deviceCode } from './grants/device-code.js'
import type { Grant, GrantContext, TokenResponse } from './grants/grant.js'
import { jwtBearer } from './grants/jwt-bearer.js'
import { tokenExchange } from './grants/token-exchange.js'
import {
  type ClientRequest,
  readNamedClient,
  readPresentedClient,
  readPresentedSession,
} from './presented-client.js'

/** Every grant type of the token endpoint. */
export const GRANTS: readonly Grant[] = [tokenExchange, jwtBearer, clientCredentials, deviceCode, cibaGrant]

export interface Tokens {
  /** Answers a token request (RFC 6749 §5); throws the codes of its grant, or `unsupported_grant_type`. */
  issue(request: ClientRequest, provenance: Provenance): Promise<TokenResponse>
}

export type TokensOptions = Omit<
  GrantContext,
  'provenance' | 'presenter' | 'standInToken' | 'findPresenter'
> & {
  clientAuthentication: ClientAuthentication
}

export function createTokens({ clientAuthentication, ...context }: TokensOptions): Tokens {
  return {
    async issue(request, provenance) {
      const { form } = request
      const grant = findGrant(form.get('grant_type'))
      const { grantType } = grant
      const standInToken = grant.takesSessions && readPresentedSession(request)
      const presented = standInToken === undefined ? readPresentedClient(request) : undefined
      const presenter =
        presented === undefined || (grant.provesClient && presented.method === 'none')
          ? clientAuthentication.vouchFor(presented?.clientId ?? readNamedClient(form), { grantType })
          : clientAuthentication.present(presented, provenance, { grantType })
      const findPresenter = () => clientAuthentication.find(presenter)
      return grant.issue(form, { provenance, presenter, standInToken, findPresenter, ...context })
    },
  }
}

function findGrant(asked: string | undefined): Grant {
  if (asked === undefined) throw new AuthsecError('invalid_request', 'grant_type is missing')
  const grant = GRANTS.find(({ grantType }) => grantType === asked)
  if (grant === undefined) {
    throw new AuthsecError('unsupported_grant_type', `grant_type ${quote(asked)} is not offered`)
  }
  return grant
}
