import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Provenance } from './audit/log.js'
import type { Grant, GrantContext, TokenResponse } from './grants/grant.js'
import { tokenExchange } from './grants/token-exchange.js'

/** Every grant type of the token endpoint. */
export const GRANTS: readonly Grant[] = [tokenExchange]

export interface Tokens {
  /** Answers a token request (RFC 6749 §5); throws the codes of its grant, or `unsupported_grant_type`. */
  issue(form: ReadonlyMap<string, string>, provenance: Provenance): Promise<TokenResponse>
}

export function createTokens(context: Omit<GrantContext, 'provenance'>): Tokens {
  return {
    async issue(form, provenance) {
      const asked = form.get('grant_type')
      const grant = GRANTS.find(({ grantType }) => grantType === asked)
      if (grant !== undefined) return grant.issue(form, { ...context, provenance })

      return context.audit.attempt({ type: 'token.exchanged' }, provenance, async () => {
        if (asked === undefined) throw new AuthsecError('invalid_request', 'grant_type is missing')
        throw new AuthsecError('unsupported_grant_type', `grant_type ${quote(asked)} is not offered`)
      })
    },
  }
}
