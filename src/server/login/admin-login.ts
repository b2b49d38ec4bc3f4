import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readString, requireString } from '../fields.js'
import { tenantDomain } from './wire.js'

export const loginChallenge: Endpoint<'public'> = {
  method: 'GET',
  paths: authsecPaths('/uflow/auth/admin/challenge'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'A value that one login may name',
  speaks: 'AuthSec A',
  event: 'session.started',
  limit: 'login',
  errors: 'authsec',

  async handle(_request, { authority }) {
    const { challenge, createdAt, expiresAt } = authority.logins.createChallenge()
    return Response.json({ challenge, expires_at: formatTime(expiresAt), created_at: formatTime(createdAt) })
  },
}

/** Tells who has an account, which is why a team's server does not serve it. */
export const loginPrecheck: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/admin/login/precheck'),
  access: 'public',
  modes: ['dev'],
  summary: 'What a login form needs to know about an account',
  speaks: 'AuthSec A',
  differences: 'current_domain is not looked at; the only next steps are login and register',
  event: 'session.started',
  limit: 'login',
  errors: 'authsec',

  async handle(request, { authority, serverUrl }) {
    const body = await readJson(request)
    const email = requireString(body, 'email')
    const { exists, hasPassword } = await authority.logins.precheck(email)
    return Response.json({
      exists,
      display_name: exists ? email.slice(0, email.indexOf('@')) : '',
      tenant_domain: exists ? tenantDomain(serverUrl) : '',
      tenant_id: exists ? authority.identity.tenantId : '',
      next_step: exists ? 'login' : 'register',
      requires_password: hasPassword,
      available_providers: [],
    })
  },
}

export const adminLogin: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/auth/admin/login'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Log in with a password',
  speaks: 'AuthSec A',
  differences:
    'anybody with a password may log in, and what they may do follows from their roles; no second factor; ' +
    'signature, nonce and timestamp are not looked at; a challenge, when sent, has to be one of ours and unused',
  event: 'session.started',
  limit: 'login',
  errors: 'authsec',

  async handle(request, { authority, provenance, serverUrl }) {
    const body = await readJson(request)
    const credentials = {
      email: requireString(body, 'email'),
      password: requireString(body, 'password'),
      challenge: readString(body, 'challenge'),
    }
    const { token, user, isFirst } = await authority.logins.login(credentials, provenance).catch(toAuthsec)
    return Response.json({
      tenant_id: authority.identity.tenantId,
      tenant_domain: tenantDomain(serverUrl),
      email: user.email,
      first_login: isFirst,
      otp_required: false,
      webauthn_required: false,
      mfa_required: false,
      mfa_method: '',
      methods: [],
      token,
    })
  },
}

// AuthSec's 401 is an error and a hint.
function toAuthsec(error: unknown): never {
  if (AuthsecError.is(error, 'invalid_credentials') || AuthsecError.is(error, 'account_locked')) {
    const { code, message, auditId, retryAfterMs } = error
    const text = code === 'account_locked' ? 'Account locked' : 'Invalid credentials'
    throw new AuthsecError(code, text, { auditId, retryAfterMs, cause: error, details: { hint: message } })
  }
  throw error
}
