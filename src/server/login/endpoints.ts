import type { AnyEndpoint } from '../endpoint.js'
import { adminLogin, loginChallenge, loginPrecheck } from './admin-login.js'
import { logout } from './logout.js'
import { verifySession } from './verify-session.js'

/** How people log in, and how programs ask them to. */
export const LOGIN_ENDPOINTS: readonly AnyEndpoint[] = [
  loginChallenge,
  loginPrecheck,
  adminLogin,
  logout,
  verifySession,
]
