import { AuthsecError } from '../../core/errors.js'
import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'

/** The token endpoint, RFC 6749 §3.2: one file for each grant lies under `authority/grants/`. */
export const token: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/token'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary:
    'Ask for a token: by exchange, by the identity token of a job, as a client for itself, or after a person has let a device or a program in',
  speaks: 'RFC 6749, RFC 8693, RFC 7523, RFC 8628, OpenID CIBA Core 1.0, RFC 8707',
  differences:
    'one resource for each token; subject_token_type selects exactly one kind: jwt is an AuthSec base token, id_token a session of a user, access_token a call token; the issuer of an assertion is one that a trust rule of the client names, its type none or JWT, and it is good for one use; of dead tokens the error is invalid_grant; an exchange may be asked for by the session of an admin, or of the user for whom the subject token stands, in the place of the client (Bearer, beside client_id); no authorization code, no refresh tokens, no DPoP',
  event: 'token.exchanged',
  limit: 'token',
  errors: 'oauth',
  crossOrigin: 'named',
  // RFC 6749 §5.2, RFC 8628 §3.5 and CIBA §11: everything but a client that has not proven who it is.
  refusals: { access_denied: [400, 'access_denied'] },
  hasIdempotencyKey: true,

  async handle(request, { authority, provenance }) {
    if (request.headers.has('dpop')) {
      // Left out in silence, the token would not be bound to the key that its client believes it is.
      throw new AuthsecError('invalid_request', 'DPoP is not supported by this server')
    }
    const asked = await readClientRequest(request)
    return { content: await authority.tokens.issue(asked, provenance) }
  },
}
