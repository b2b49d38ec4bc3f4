import { type OpenedSession, redeemDeviceCode } from '../api/login.js'
import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'
import type { PendingLogin } from './pending-login.js'

/** How much longer a server that wants to be asked less often waits, RFC 8628 §3.5; in seconds. */
const SLOW_DOWN = 5
const LONGEST_PAUSE = 60

/**
 * Asks until somebody has confirmed the code. Throws `expired_token` when nobody has in time, `access_denied` when
 * somebody has refused; an outage is told once and waited out.
 */
export async function awaitConfirmation(context: Context, pending: PendingLogin): Promise<OpenedSession> {
  const { io, clock, signal, fetch } = context
  const target = { serverUrl: pending.serverUrl, fetch }
  let pause = pending.interval
  let isTold = false
  for (;;) {
    const left = pending.expiresAt - clock.now()
    if (left <= 0) throw unconfirmed(pending)
    await clock.sleep(Math.min(pause * 1000, left), signal)
    try {
      return await redeemDeviceCode(target, pending.deviceCode, clock.now())
    } catch (error) {
      signal.throwIfAborted()
      if (!AuthsecError.is(error)) throw error
      if (error.code === 'expired_token') throw unconfirmed(pending, error)
      if (error.code === 'slow_down') pause = Math.min(LONGEST_PAUSE, pause + SLOW_DOWN)
      else if (error.retryable) pause = Math.min(LONGEST_PAUSE, pause * 2)
      else if (error.code !== 'authorization_pending') throw refused(error)
      if (error.retryable && !isTold) io.warn(`${error.message}; still asking`)
      isTold ||= error.retryable
    }
  }
}

function unconfirmed({ userCode }: PendingLogin, cause?: AuthsecError): AuthsecError {
  return new AuthsecError('expired_token', `nobody has confirmed the code ${userCode} in time`, {
    hint: 'Begin again with authsec login.',
    cause,
  })
}

function refused(error: AuthsecError): AuthsecError {
  if (error.code !== 'access_denied') return error
  return new AuthsecError('access_denied', 'the login was refused in the browser', { cause: error })
}
