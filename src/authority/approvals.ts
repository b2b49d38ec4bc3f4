import { hash, randomUUID } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { isPermission, type Permissions, parsePermissions, sortPermissions } from '../core/permission.js'
import type { Approval, ApprovalForm, ApprovalKind } from '../store/approvals.js'
import type { Store, Transaction, User } from '../store/store.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import {
  ADMIN_PERMISSION,
  isPersonal,
  limitUser,
  type Session,
  type Sessions,
  type StartedSession,
} from './sessions.js'

/** What is asked of a person. */
export interface ApprovalTerms {
  kind: ApprovalKind
  form: ApprovalForm
  handle: string
  userCode?: string | undefined
  clientId?: string | undefined
  userId?: string | undefined
  scopes: readonly string[]
  ceiling: readonly string[] | undefined
  bindingMessage?: string | undefined
  deviceInfo?: string | undefined
  ttlSeconds: number
}

/** Who polls for what, and the session that an approval becomes. */
export interface Redemption {
  kind: ApprovalKind
  form: ApprovalForm
  handle: string
  /** The client that polls; undefined where nobody says who polls. */
  clientId: string | undefined
  sessionTtl: number
}

export interface RedeemedApproval extends StartedSession {
  user: User
  /** The scopes as they were asked for. */
  scopes: readonly string[]
  clientId: string | undefined
  /** The audit event that recorded it. */
  auditId: string
}

export interface ApprovalsOptions {
  store: Store
  audit: AuditLog
  sessions: Sessions
  clock: () => number
}

/** The life of everything that waits for a person, in seconds. */
export const APPROVAL_TTL = 300
/** How often a program may ask, in seconds. */
export const POLL_INTERVAL = 5

/** RFC 8628 §3.5: who polls too fast waits this much longer from then on, in seconds. */
const SLOW_DOWN = 5
const MAX_PENDING = 1_000
// So long after its end a code is still known to have expired.
const REMEMBERED_MS = 10 * 60_000
/** Scopes that AuthSec's clients and OpenID clients send by habit; nothing here grants them. */
const IDENTITY_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'offline_access']

/**
 * Keeps what is asked for, with its attempt. Throws `rate_limited` while a thousand of its kind wait from the same client
 * over the same contract (`form`): some contracts let anybody ask, and a flood of theirs must not stop the others.
 */
export async function askForApproval(
  terms: ApprovalTerms,
  attempt: Attempt,
  { clock }: Pick<ApprovalsOptions, 'clock'>,
): Promise<Approval> {
  const now = clock()
  const { handle, userCode, ttlSeconds, ...rest } = terms
  const approval: Approval = {
    ...rest,
    id: randomUUID(),
    handleHash: hashHandle(handle),
    userCodeHash: userCode === undefined ? undefined : hashHandle(userCode),
    status: 'pending',
    intervalSeconds: POLL_INTERVAL,
    createdAt: now,
    expiresAt: now + ttlSeconds * 1000,
  }
  attempt.note({
    client: approval.clientId,
    ...(approval.userId !== undefined && { subject: { type: 'user', id: approval.userId } }),
    details: { approval: approval.id },
    permissions: { asked: [...approval.scopes] },
  })
  await attempt.commit(async ({ approvals }) => {
    if ((await approvals.countPending(terms, now)) >= MAX_PENDING) {
      throw new AuthsecError('rate_limited', `${MAX_PENDING} requests wait for an answer already`, {
        retryAfterMs: APPROVAL_TTL * 1000,
      })
    }
    await approvals.insert(approval, now - REMEMBERED_MS)
  })
  return approval
}

/**
 * Turns an approval into a session, once. Throws `authorization_pending` and `slow_down`, which the log does not
 * tell because nothing has happened, `access_denied`, `expired_token`, and `invalid_grant` for a handle that belongs
 * to another client, is unknown or was used; for the latter two AuthSec says `expired_token`.
 */
export async function redeemApproval(
  redemption: Redemption,
  provenance: Provenance,
  options: ApprovalsOptions,
): Promise<RedeemedApproval> {
  const { store, audit, sessions, clock } = options
  const { kind, form, clientId, sessionTtl } = redemption
  const found = await store.approvals.findByHandle(hashHandle(redemption.handle))
  const known = found?.kind === kind && found.form === form ? found : undefined
  const isOurs = known !== undefined && (clientId === undefined || known.clientId === clientId)
  if (isOurs && known.status === 'pending' && known.expiresAt > clock()) await keepPace(known.id, options)

  return audit.attempt({ type: 'session.started' }, provenance, async (attempt) => {
    if (clientId !== undefined) attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
    if (known === undefined) throw gone(form)
    attempt.note({ details: { approval: known.id } })
    if (!isOurs) throw new AuthsecError('invalid_grant', 'the code belongs to another client')
    const user = await findApprover(known, store, clock())
    const terms = { kind, ttlSeconds: sessionTtl, clientId: known.clientId, ceiling: known.ceiling }
    const started = await sessions.issue(user, terms, attempt, async ({ approvals }) => {
      if ((await approvals.find(known.id))?.status !== 'approved') throw gone(form)
      await approvals.remove(known.id)
    })
    const { scopes } = known
    return { ...started, user, scopes, clientId: known.clientId, auditId: attempt.eventId }
  })
}

/**
 * Records the answer of a person, with its attempt. Throws `not_found` when nothing waits (any more), and
 * `access_denied` for a session that a client holds: what a person has let a program do is not to answer for them.
 */
export async function answerApproval(
  approval: Approval,
  { session, approve }: { session: Session; approve: boolean },
  attempt: Attempt,
  { clock }: Pick<ApprovalsOptions, 'clock'>,
): Promise<void> {
  attempt.note({
    actor: { type: 'user', id: session.user.id },
    subject: { type: 'user', id: session.user.id },
    client: approval.clientId,
    details: { approval: approval.id },
  })
  assertMayAnswer(session)
  await attempt.commit(async ({ approvals }: Transaction) => {
    const current = await approvals.find(approval.id)
    if (current?.status !== 'pending' || current.expiresAt <= clock()) throw nothingWaits()
    await approvals.update({
      ...current,
      userId: session.user.id,
      status: approve ? 'approved' : 'denied',
      ceiling: narrowCeiling(current, session.user, session.ceiling),
    })
  })
}

/** Throws `access_denied` for a session that is no person's own: else a program could answer what it has asked itself. */
export function assertMayAnswer(session: Session): void {
  if (isPersonal(session)) return
  throw new AuthsecError('access_denied', 'only a session that a person has logged in to may answer')
}

/** What the session may do at most: what was asked for, and no more than whoever approves may do. */
export function narrowCeiling(
  { form, ceiling }: Pick<Approval, 'form' | 'ceiling'>,
  user: User,
  approverCeiling: readonly string[] | undefined,
): readonly string[] | undefined {
  // A program that does not say what it wants gets what its user may do, but not the administration of the server;
  // AuthSec's own clients, which cannot say it, get everything as they do at AuthSec.
  if (ceiling === undefined && form === 'oauth') {
    return sortPermissions(user.permissions).filter((permission) => permission !== ADMIN_PERMISSION)
  }
  if (ceiling === undefined || approverCeiling === undefined) return ceiling ?? approverCeiling
  return ceiling.filter((permission) => approverCeiling.includes(permission))
}

/**
 * The permissions among scopes, or undefined when there are none. What is neither a permission nor one of OpenID's
 * scopes is `invalid_scope`, unless the contract lets anything pass.
 */
export function readCeiling(
  scopes: readonly string[],
  { lenient }: { lenient: boolean },
): readonly string[] | undefined {
  const wanted = scopes.filter((scope) => !IDENTITY_SCOPES.includes(scope))
  const permissions: Permissions = lenient ? new Set(wanted.filter(isPermission)) : parsePermissions(wanted)
  return permissions.size === 0 ? undefined : sortPermissions(permissions)
}

/** What the store knows a code by. */
export function hashHandle(handle: string): string {
  return hash('sha256', handle, 'base64url')
}

/** Nothing of that name waits for an answer. */
export function nothingWaits(): AuthsecError {
  return new AuthsecError('not_found', 'no request of that name waits for an answer')
}

async function findApprover(approval: Approval, store: Store, now: number): Promise<User> {
  if (approval.status === 'denied') throw new AuthsecError('access_denied', 'the person has said no')
  if (approval.expiresAt <= now) throw new AuthsecError('expired_token', 'the code has expired')
  const user = approval.userId === undefined ? undefined : await store.users.find(approval.userId)
  if (user === undefined) throw new AuthsecError('access_denied', 'the user is gone')
  if (approval.ceiling !== undefined && limitUser(user, approval.ceiling).permissions.size === 0) {
    throw new AuthsecError('access_denied', 'the user has none of the permissions asked for')
  }
  return user
}

// Throws unless somebody has answered meanwhile.
async function keepPace(id: string, { store, clock }: ApprovalsOptions): Promise<void> {
  const now = clock()
  const isTooFast = await store.write(async ({ approvals }) => {
    const current = await approvals.find(id)
    if (current?.status !== 'pending') return undefined
    const { polledAt, form, kind } = current
    // AuthSec's CIBA lets a client poll as it likes, and its device flow never lengthens the interval.
    const isPaced = form === 'oauth' || kind === 'device'
    const tooFast = isPaced && polledAt !== undefined && now - polledAt < current.intervalSeconds * 1000
    const intervalSeconds = current.intervalSeconds + (tooFast && form === 'oauth' ? SLOW_DOWN : 0)
    await approvals.update({ ...current, polledAt: now, intervalSeconds })
    return tooFast
  })
  // Undefined when somebody answered between the two looks: the next poll tells.
  if (isTooFast) throw new AuthsecError('slow_down', 'polled too soon: wait longer between two polls')
  throw pending()
}

function gone(form: ApprovalForm): AuthsecError {
  return new AuthsecError(
    form === 'oauth' ? 'invalid_grant' : 'expired_token',
    'the code is unknown, has expired or was used',
  )
}

function pending(): AuthsecError {
  return new AuthsecError('authorization_pending', 'the person has not answered yet')
}
