import { narrowCeiling } from '../../authority/approvals.js'
import type { Authority } from '../../authority/authority.js'
import { limitUser, type Session } from '../../authority/sessions.js'
import { AuthsecError } from '../../core/errors.js'
import { sortPermissions } from '../../core/permission.js'
import type { Approval } from '../../store/approvals.js'
import { readForm } from '../body.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../endpoint.js'
import { renderAnswer, renderCodeForm, renderQuestion } from './activation-views.js'
import { readPageCookie, writePageCookie } from './page-cookie.js'
import { ACTIVATION_PATH } from './wire.js'

type Context = EndpointContext<'public'>

const PATHS = [ACTIVATION_PATH, ...authsecPaths('/uflow/activate')]

/** Where a person types the code of a device. It looks nothing up: a link to it is no guess. */
export const activationPage: Endpoint<'public'> = {
  method: 'GET',
  paths: PATHS,
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'The page where a person types the code of a device',
  speaks: 'AuthSec A',
  differences: 'rendered by this server; runs no script',
  event: 'device.read',
  limit: 'activate',
  errors: 'page',
  crossOrigin: 'navigation',

  async handle(request, { authority, serverUrl }) {
    const userCode = new URL(request.url).searchParams.get('user_code')?.slice(0, 64) ?? ''
    const { pageSessions } = authority
    const handle = readPageCookie(request) ?? pageSessions.createHandle()
    const person = await pageSessions.find(handle)
    const view = { formToken: pageSessions.createFormToken(handle), person: person?.user.email, userCode }
    return renderCodeForm(view, { headers: writePageCookie(handle, serverUrl) })
  },
}

/** The form of the page: first the code (and who one is), then the answer. */
export const submitActivation: Endpoint<'public'> = {
  ...activationPage,
  method: 'POST',
  summary: 'The answer of a person to a device',
  event: 'device.approved',
  limit: 'login',
  crossOrigin: false,

  async handle(request, context) {
    const form = await readForm(request)
    const handle = readPageCookie(request)
    const { pageSessions } = context.authority
    if (handle === undefined || !pageSessions.isFormToken(handle, form.get('form_token') ?? '')) {
      throw new AuthsecError('foreign_origin', 'this form is too old, or does not come from this page', {
        hint: 'Open the page again.',
      })
    }
    const step = form.get('step')
    const person = await pageSessions.find(handle)
    if (step === 'forget') return forget(person, form, context)
    if (step === 'look') return look(handle, person, form, context)
    if (step === 'approve' || step === 'deny') return answer(handle, person, form, context)
    throw new AuthsecError('invalid_request', 'the form says neither approve nor deny')
  },
}

async function look(
  handle: string,
  known: Session | undefined,
  form: ReadonlyMap<string, string>,
  context: Context,
): Promise<Response> {
  const { authority, provenance, serverUrl } = context
  const userCode = form.get('user_code')?.slice(0, 64) ?? ''
  const email = form.get('email') ?? ''
  let current = { handle, session: known }
  try {
    if (current.session === undefined) {
      const credentials = { email, password: form.get('password') ?? '' }
      current = await authority.pageSessions.login(credentials, provenance)
    }
    const session = current.session as Session
    const approval = await authority.devices.find(userCode, provenance)
    return renderQuestion(
      {
        formToken: authority.pageSessions.createFormToken(current.handle),
        person: session.user.email,
        userCode,
        client: await findClientName(approval, authority),
        deviceInfo: approval.deviceInfo,
        permissions: findPermissions(approval, session),
      },
      { headers: writePageCookie(current.handle, serverUrl) },
    )
  } catch (error) {
    const { status, alert, headers } = explain(error)
    const formToken = authority.pageSessions.createFormToken(current.handle)
    return renderCodeForm(
      { formToken, person: current.session?.user.email, userCode, email, alert },
      { status, headers: { ...headers, ...writePageCookie(current.handle, serverUrl) } },
    )
  }
}

async function answer(
  handle: string,
  session: Session | undefined,
  form: ReadonlyMap<string, string>,
  { authority, provenance }: Context,
): Promise<Response> {
  const userCode = form.get('user_code')?.slice(0, 64) ?? ''
  const approve = form.get('step') === 'approve'
  try {
    if (session === undefined) throw new AuthsecError('login_required', 'nobody is logged in to this page')
    await authority.devices.answer(userCode, { session, approve }, provenance)
    return renderAnswer(approve)
  } catch (error) {
    const { status, alert, headers } = explain(error)
    const formToken = authority.pageSessions.createFormToken(handle)
    return renderCodeForm({ formToken, person: session?.user.email, userCode, alert }, { status, headers })
  }
}

async function forget(
  person: Session | undefined,
  form: ReadonlyMap<string, string>,
  { authority, provenance, serverUrl }: Context,
): Promise<Response> {
  const handle = authority.pageSessions.createHandle()
  if (person !== undefined) await authority.pageSessions.end(person, provenance)
  const view = { formToken: authority.pageSessions.createFormToken(handle), person: undefined }
  const userCode = form.get('user_code')?.slice(0, 64) ?? ''
  return renderCodeForm({ ...view, userCode }, { headers: writePageCookie(handle, serverUrl) })
}

async function findClientName({ clientId }: Approval, { clients }: Authority): Promise<string | undefined> {
  const client = clientId === undefined ? undefined : await clients.find(clientId).catch(() => undefined)
  return client?.name
}

// What the session would be able to do now, which is what the person decides about.
function findPermissions(approval: Approval, { user }: Session): string[] {
  return sortPermissions(limitUser(user, narrowCeiling(approval, user, undefined)).permissions)
}

// What a person can do something about is said on the page; the rest is a page of its own.
function explain(error: unknown): { status: number; alert: string; headers: Record<string, string> } {
  if (!AuthsecError.is(error)) throw error
  const retry = Math.ceil((error.retryAfterMs ?? 0) / 1000)
  const headers: Record<string, string> = retry > 0 ? { 'retry-after': `${retry}` } : {}
  switch (error.code) {
    case 'login_required':
      return { status: 401, alert: 'You are no longer logged in here. Log in again.', headers }
    case 'invalid_credentials':
      return { status: 401, alert: 'The e-mail address or the password is wrong.', headers }
    case 'account_locked':
      return { status: 401, alert: 'Too many failed logins: the account is locked for a while.', headers }
    case 'rate_limited':
      return { status: 429, alert: 'Too many attempts. Wait a few minutes, then try again.', headers }
    case 'not_found':
      return { status: 400, alert: 'No device waits for this code. It may have expired.', headers }
    default:
      throw error
  }
}
