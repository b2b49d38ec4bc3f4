import type { AnyEndpoint } from '../endpoint.js'
import { activationInfo, authorizeDevice, authorizeDeviceLegacy, verifyUserCode } from './activation.js'
import { activationPage, submitActivation } from './activation-page.js'
import { adminLogin, loginChallenge, loginPrecheck } from './admin-login.js'
import { bcAuthorize } from './bc-authorize.js'
import {
  cibaToken,
  initiateCiba,
  initiateTenantCiba,
  listCibaRequests,
  respondCiba,
  tenantCibaToken,
} from './ciba.js'
import { listConsents, withdrawConsent } from './consent-grants.js'
import { deviceCode, deviceToken } from './device.js'
import { deviceAuthorization } from './device-authorization.js'
import { logout } from './logout.js'
import { verifySession } from './verify-session.js'

/** How people log in, and how programs ask them to. */
export const LOGIN_ENDPOINTS: readonly AnyEndpoint[] = [
  loginChallenge,
  loginPrecheck,
  adminLogin,
  logout,
  verifySession,
  listConsents,
  withdrawConsent,
  deviceAuthorization,
  deviceCode,
  deviceToken,
  activationPage,
  submitActivation,
  activationInfo,
  verifyUserCode,
  authorizeDevice,
  authorizeDeviceLegacy,
  bcAuthorize,
  initiateCiba,
  cibaToken,
  initiateTenantCiba,
  tenantCibaToken,
  respondCiba,
  listCibaRequests,
]
