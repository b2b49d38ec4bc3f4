import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Approval, ApprovalForm } from '../store/approvals.js'
import type { Store, User } from '../store/store.js'
import {
  APPROVAL_TTL,
  type ApprovalsOptions,
  answerApproval,
  askForApproval,
  assertMayAnswer,
  hashHandle,
  nothingWaits,
  type RedeemedApproval,
  type Redemption,
  redeemApproval,
} from './approvals.js'
import { type AuditLog, type Provenance, SERVER_ITSELF } from './audit/log.js'
import { authenticateText } from './challenges.js'
import { createSecret } from './client-authentication.js'
import { findById } from './find-by-id.js'
import { ADMIN_PERMISSION, limitUser, type Session } from './sessions.js'
import type { SigningKeys } from './signer.js'

/** Who answers: a person, or on a developer's machine the server itself. */
export type CibaMode = 'manual' | 'auto-approve' | 'auto-deny'

/** What a program asks a person for, who is elsewhere. */
export interface CibaRequest {
  form: ApprovalForm
  clientId?: string | undefined
  /** The person: an e-mail address, or the user's id. */
  loginHint: string
  bindingMessage?: string | undefined
  scopes: readonly string[]
  ceiling: readonly string[] | undefined
  /** In seconds; default 300, and no more than that. */
  ttlSeconds?: number | undefined
  /** What a repeated request carries again; whoever knows it can ask for the `auth_req_id`, so no record tells it. */
  idempotencyKey?: string | undefined
}

export interface StartedCiba {
  /** What the program polls with. */
  authReqId: string
  approval: Approval
}

/** Client-initiated backchannel authentication in poll mode: AuthSec's two planes, and OpenID's own. */
export interface Ciba {
  /**
   * The same question under the same idempotency key is put once, and has the same `auth_req_id`. Throws
   * `unknown_user_id`, `invalid_binding_message`, `rate_limited` while a thousand requests of this client wait, and
   * `invalid_request` for another question under the key, or one that has come to its end.
   */
  start(request: CibaRequest, provenance: Provenance): Promise<StartedCiba>
  /** What waits for this person's answer. Throws `access_denied` for a session that is not the person's own. */
  listPending(session: Session): Promise<Approval[]>
  /**
   * Answers a request by its `auth_req_id`, or by the id under which the person sees it. Throws `not_found` for one
   * that does not wait, or for somebody else; `access_denied` as `listPending`.
   */
  answer(name: string, answer: { session: Session; approve: boolean }, provenance: Provenance): Promise<void>
  /** Turns an approval into a session; throws the codes of a poll. */
  redeem(redemption: Omit<Redemption, 'kind'>, provenance: Provenance): Promise<RedeemedApproval>
}

const MAX_MESSAGE_LENGTH = 256

export function createCiba({
  mode,
  keys,
  ...options
}: ApprovalsOptions & { mode: CibaMode; keys: SigningKeys }): Ciba {
  const { store, audit, clock } = options

  // The name of a question follows from the key under which it is put, for this server and those beside it alone: so it
  // is found again, and kept nowhere.
  function nameQuestions({ clientId, idempotencyKey }: CibaRequest): string[] {
    if (idempotencyKey === undefined) return []
    const text = `auth_req_id ${clientId} ${idempotencyKey}`
    return keys.trusted.map(({ privateKey }) => authenticateText(privateKey, text))
  }

  async function findAsked(request: CibaRequest, names: readonly string[]): Promise<StartedCiba | undefined> {
    for (const authReqId of names) {
      const approval = await store.approvals.findByHandle(hashHandle(authReqId))
      if (approval === undefined) continue
      const user = await findHinted(request.loginHint, store)
      if (!isSameQuestion(approval, request, user)) {
        throw misused('the Idempotency-Key was used for another request')
      }
      if (approval.expiresAt <= clock())
        throw misused('the request of this Idempotency-Key has come to its end')
      return { authReqId, approval }
    }
    return undefined
  }

  return {
    async start(asked, provenance) {
      const names = nameQuestions(asked)
      const known = await findAsked(asked, names)
      if (known !== undefined) return known
      const { loginHint, idempotencyKey: _, ...request } = asked
      const draft = { type: 'approval.requested', client: request.clientId } as const
      const started = await audit
        .attempt(draft, provenance, async (attempt) => {
          assertBindingMessage(request.bindingMessage)
          const user = await findHinted(loginHint, store)
          const authReqId = names[0] ?? createSecret()
          const approval = await askForApproval(
            {
              ...request,
              kind: 'ciba',
              userId: user.id,
              handle: authReqId,
              ttlSeconds: limitLife(request),
            },
            attempt,
            options,
          )
          return { authReqId, approval, user }
        })
        .catch(async (error: unknown) => {
          // Its twin, which was under way at the same time, was faster.
          const twin = AuthsecError.is(error, 'conflict') ? await findAsked(asked, names) : undefined
          if (twin === undefined) throw error
          return { ...twin, user: undefined }
        })
      const { user } = started
      if (mode !== 'manual' && user !== undefined) {
        await answerByItself({ ...started, user }, mode === 'auto-approve', options)
      }
      return started
    },

    async listPending(session) {
      assertMayAnswer(session)
      const waiting = await store.approvals.listPending(session.user.id, clock())
      return waiting.filter(({ kind }) => kind === 'ciba')
    },

    answer(name, { session, approve }, provenance) {
      const type = approve ? 'approval.approved' : 'approval.denied'
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type, actor }, provenance, async (attempt) => {
        const found =
          (await store.approvals.findByHandle(hashHandle(name))) ?? (await findById(store.approvals, name))
        // Somebody else's request is no different from none.
        if (found?.kind !== 'ciba' || found.userId !== session.user.id) throw nothingWaits()
        await answerApproval(found, { session, approve }, attempt, options)
      })
    },

    redeem: (redemption, provenance) => redeemApproval({ ...redemption, kind: 'ciba' }, provenance, options),
  }
}

// Nobody has looked at what the server approves by itself: it never opens the administration of the server.
async function answerByItself(
  { approval, user }: { approval: Approval; user: User },
  approve: boolean,
  { audit }: { audit: AuditLog },
): Promise<void> {
  const draft = {
    type: approve ? 'approval.approved' : 'approval.denied',
    actor: { type: 'server', id: 'ciba' },
    subject: { type: 'user', id: user.id },
    client: approval.clientId,
    details: { approval: approval.id },
  } as const
  const { permissions } = limitUser(user, approval.ceiling)
  const ceiling = [...permissions].filter((permission) => permission !== ADMIN_PERMISSION).sort()
  await audit.attempt(draft, SERVER_ITSELF, (attempt) =>
    attempt.commit(async ({ approvals }) => {
      await approvals.update({ ...approval, status: approve ? 'approved' : 'denied', ceiling })
    }),
  )
}

function limitLife({ ttlSeconds = APPROVAL_TTL }: Pick<CibaRequest, 'ttlSeconds'>): number {
  return Math.min(ttlSeconds, APPROVAL_TTL)
}

function isSameQuestion(
  { form, userId, scopes, bindingMessage, createdAt, expiresAt }: Approval,
  asked: CibaRequest,
  user: User,
): boolean {
  return (
    form === asked.form &&
    userId === user.id &&
    bindingMessage === asked.bindingMessage &&
    scopes.join(' ') === asked.scopes.join(' ') &&
    expiresAt - createdAt === limitLife(asked) * 1000
  )
}

function misused(message: string): AuthsecError {
  return new AuthsecError('invalid_request', message, { hint: 'Ask under another Idempotency-Key.' })
}

async function findHinted(loginHint: string, store: Store): Promise<User> {
  const user = (await findById(store.users, loginHint)) ?? (await store.users.findByEmail(loginHint))
  if (user?.active !== true) throw new AuthsecError('unknown_user_id', 'no user of that name')
  return user
}

function assertBindingMessage(message: string | undefined): void {
  if (message === undefined || message.length <= MAX_MESSAGE_LENGTH) return
  throw new AuthsecError(
    'invalid_binding_message',
    `binding_message ${quote(message)} has more than ${MAX_MESSAGE_LENGTH} characters`,
  )
}
