import { AuthsecError } from '../core/errors.js'
import type { Generation } from '../core/generation.js'
import { peekClaims } from '../core/jwt.js'
import { formatTime } from '../core/time.js'
import { readShape, type Shaped, unexpected } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

const DEVICE = {
  device_code: 'text',
  user_code: 'text',
  verification_uri: 'text',
  verification_uri_complete: 'text?',
  expires_in: 'number',
  interval: 'number?',
} as const

const DEVICE_SESSION = {
  access_token: 'text',
  expires_in: 'number?',
  email: 'text?',
  tenant_id: 'text?',
  workspace_id: 'text?',
} as const

const PASSWORD_SESSION = {
  token: 'text?',
  email: 'text?',
  tenant_id: 'text?',
  workspace_id: 'text?',
  mfa_required: 'flag?',
  otp_required: 'flag?',
  webauthn_required: 'flag?',
  password_change_required: 'flag?',
} as const

const SESSION_FACTS = {
  valid: 'flag?',
  tenant_id: 'text?',
  workspace_id: 'text?',
  email_id: 'text?',
  client_id: 'text?',
  scopes: 'texts',
  roles: 'texts',
  expires_at: 'text?',
} as const

/** A code for a person to confirm in a browser, as AuthSec and RFC 8628 §3.2 word it. */
export type DeviceCode = Shaped<typeof DEVICE>

/** A session that a server has just opened. */
export interface OpenedSession {
  /** Worth all that its person may do: it goes to its own server only. */
  accessToken: string
  email: string | undefined
  tenantId: string | undefined
  /** RFC 3339. */
  expiresAt: string | undefined
}

/** Whose a session is, as the server says. */
export interface SessionFacts {
  email: string | undefined
  tenantId: string | undefined
  roles: readonly string[]
  permissions: readonly string[]
  expiresAt: string | undefined
}

const DEVICE_PATH = '/authsec/uflow/auth/device'

/** Asks for a code that somebody confirms elsewhere. */
export async function requestDeviceCode(target: ApiTarget): Promise<DeviceCode> {
  const body = await callServer(target, {
    method: 'POST',
    path: `${DEVICE_PATH}/code`,
    session: 'never',
    json: { client_id: 'authsec', scopes: ['openid', 'email', 'profile'] },
  })
  return readShape(body, DEVICE, 'device code')
}

/**
 * Asks once whether a code has been confirmed. Throws `authorization_pending` or `slow_down` while it has not,
 * `expired_token` and `access_denied` when it never will be.
 */
export async function redeemDeviceCode(
  target: ApiTarget,
  deviceCode: string,
  nowMs: number,
): Promise<OpenedSession> {
  const body = await callServer(target, {
    method: 'POST',
    path: `${DEVICE_PATH}/token`,
    session: 'never',
    json: { device_code: deviceCode, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' },
  })
  const answer = readShape(body, DEVICE_SESSION, 'session')
  const { access_token: accessToken, email, expires_in: expiresIn } = answer
  return {
    accessToken: assertSessionText(accessToken),
    email,
    tenantId: readTenant(answer),
    expiresAt: expiresIn === undefined ? readExpiry(accessToken) : formatTime(nowMs + expiresIn * 1000),
  }
}

/**
 * Opens a session with a password. Throws `invalid_credentials`, `account_locked`, and `access_denied` where a
 * second factor is wanted, which only a browser can give.
 */
export async function loginWithPassword(
  target: ApiTarget,
  email: string,
  password: string,
): Promise<OpenedSession & { mustChangePassword: boolean }> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/authsec/uflow/auth/admin/login',
    session: 'never',
    json: { email, password },
    explain: explainLogin,
  })
  const answer = readShape(body, PASSWORD_SESSION, 'session')
  if (answer.token === undefined || answer.token === '') throw missingSession(answer)
  return {
    accessToken: assertSessionText(answer.token),
    email: answer.email ?? email,
    tenantId: readTenant(answer),
    expiresAt: readExpiry(answer.token),
    mustChangePassword: answer.password_change_required === true,
  }
}

/**
 * Asks the server whose a session is. Throws `login_required` when it counts no more, and `server_error` when the answer
 * does not say that it does: it would prove nothing.
 */
export async function describeSession(
  target: ApiTarget,
  session: string,
  generation: Generation | undefined,
): Promise<SessionFacts> {
  const body = await callServer(target, {
    method: 'POST',
    path: generation === 'B' ? '/authsec/auth/token/verify' : '/authsec/authmgr/token/verify',
    session: 'never',
    json: { token: session },
    explain: ({ status }) => (status === 401 ? STALE : undefined),
  })
  const answer = readShape(body, SESSION_FACTS, 'session')
  if (answer.valid === false) throw new AuthsecError(STALE.code, STALE.message, { hint: STALE.hint })
  if (answer.valid !== true) throw unexpected('the session is not said to be valid')
  return {
    email: answer.email_id,
    tenantId: readTenant(answer),
    roles: answer.roles,
    permissions: answer.scopes,
    expiresAt: answer.expires_at,
  }
}

/** Ends the session that the target carries; false when the server knows no such thing, as in generation A. */
export async function endSession(target: ApiTarget): Promise<boolean> {
  try {
    await callServer(target, { method: 'POST', path: '/authsec/auth/logout', session: 'required', json: {} })
    return true
  } catch (error) {
    // A session that counts no more has ended as well.
    if (AuthsecError.is(error, 'login_required')) return true
    if (AuthsecError.is(error, 'not_found')) return false
    throw error
  }
}

const STALE = {
  code: 'login_required',
  message: 'the session has expired or was ended',
  hint: 'Log in again with authsec login.',
} as const

// RFC 7519 §4.1.4, read only to know when to log in again: whether it is true, the server says.
function readExpiry(token: string): string | undefined {
  const { exp } = peekClaims(token)
  return typeof exp === 'number' ? formatTime(exp * 1000) : undefined
}

function readTenant(answer: { workspace_id?: string; tenant_id?: string }): string | undefined {
  return answer.workspace_id || answer.tenant_id || undefined
}

// What cannot stand in a header would be repeated by the error of whoever sends it later.
function assertSessionText(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw unexpected('the session is not a token')
}

function missingSession(answer: Shaped<typeof PASSWORD_SESSION>): AuthsecError {
  const isWanted = answer.mfa_required || answer.otp_required || answer.webauthn_required
  if (!isWanted) return unexpected('the session has no token')
  return new AuthsecError('access_denied', 'the account wants a second factor, which a browser asks for', {
    hint: 'Leave out --email: authsec login shows a code to confirm there.',
  })
}

function explainLogin({ status, error }: Refusal): Explanation | undefined {
  if (status === 423 || /locked/i.test(error)) {
    return { code: 'account_locked', hint: 'Try again in half an hour, or ask an admin.' }
  }
  if (status !== 401) return undefined
  return { code: 'invalid_credentials', hint: 'Check the e-mail address and the password.' }
}
