import { randomUUID } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { AgentAction, ApprovalType } from '../store/agent-actions.js'
import type { Client, Queries, Store, User } from '../store/store.js'
import { assertMayAnswer } from './approvals.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { findClient } from './clients.js'
import { findById } from './find-by-id.js'
import { levelOf, MAX_AUTOMATIC_RISK, MAX_SINGLE_RISK, scoreAction } from './risk.js'
import { ADMIN_PERMISSION, type Session } from './sessions.js'

/** What an agent wants to do; every field is untrusted. */
export interface ActionInput {
  clientId: string
  agentId: string
  action: string
  resource: string
  /** For whom it acts. */
  userEmail: string
  agentName?: string | undefined
  detail?: string | undefined
}

export interface AgentActions {
  /**
   * Asks whether an agent may do something: at once where the risk is low, else by the people it acts for.
   * Throws `invalid_request`, `client_not_found`, `not_found` without such a user, and `rate_limited` when too
   * much waits for one user.
   */
  evaluate(input: ActionInput, session: Session, provenance: Provenance): Promise<AgentAction>
  find(id: string): Promise<AgentAction | undefined>
  /**
   * Answers for the user of the session, or as an admin. Throws `not_found`, `access_denied` for others and for
   * sessions that are not a person's own, and `conflict` when it has been answered or has expired. Who has approved
   * what waits for somebody else can still deny it, not approve it again.
   */
  respond(id: string, isApproved: boolean, session: Session, provenance: Provenance): Promise<AgentAction>
  /** What waits for the user of the session; for an admin, everything that waits. Throws `access_denied` as `respond`. */
  listPending(session: Session): Promise<AgentAction[]>
}

/** How long an action waits for its answer, in seconds. */
export const ACTION_TTL = 300
/** How often an agent may ask how it stands, in seconds. */
export const ACTION_POLL_INTERVAL = 5

const MAX_PENDING_PER_USER = 100
const MAX_NAME_LENGTH = 256
/** A name that a program gave, as `send_email` and `customers`. */
const NAME = /^[a-z][\w.:/-]{0,63}$/i
const MAX_DETAIL_LENGTH = 2048
// An agent may come back late for the answer.
const KEPT_MS = 24 * 3_600_000
const APPROVALS_NEEDED: Readonly<Record<ApprovalType, number>> = { auto: 0, single: 1, multi: 2 }

export function createAgentActions(options: {
  store: Store
  audit: AuditLog
  clock: () => number
}): AgentActions {
  const { store, audit, clock } = options

  return {
    evaluate(input, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'action.evaluated', actor }, provenance, async (attempt) => {
        assertActionInput(input)
        return attempt.commit(async (transaction) => {
          const { client, user } = await findParties(transaction, input)
          const now = clock()
          const action = createAction(input, client, user, now)
          attempt.note({
            client: client.id,
            subject: { type: 'user', id: user.id },
            details: { action_req_id: action.id, ...describeAction(action) },
          })
          const waiting = await transaction.agentActions.listPending(now, user.id)
          if (action.status === 'pending' && waiting.length >= MAX_PENDING_PER_USER) {
            throw new AuthsecError('rate_limited', 'too much waits for an answer of this user')
          }
          await transaction.agentActions.insert(action, now - KEPT_MS)
          return action
        })
      })
    },

    find: (id) => findById(store.agentActions, id),

    respond(id, isApproved, session, provenance) {
      const draft = {
        type: isApproved ? 'action.approved' : 'action.denied',
        actor: { type: 'user', id: session.user.id },
      } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const action = await findById(transaction.agentActions, id)
          if (action === undefined) throw new AuthsecError('not_found', `no action ${quote(id)}`)
          attempt.note({
            client: action.clientId,
            subject: { type: 'user', id: action.userId },
            details: { action_req_id: action.id, ...describeAction(action) },
          })
          assertMayAnswer(session)
          assertConcerned(action, session)
          assertOpen(action, clock())
          const answered = answer(action, isApproved, session.user.id)
          await transaction.agentActions.update(answered)
          return answered
        }),
      )
    },

    async listPending(session) {
      assertMayAnswer(session)
      const { user } = session
      const everybody = user.permissions.has(ADMIN_PERMISSION)
      return store.agentActions.listPending(clock(), everybody ? undefined : user.id)
    },
  }
}

/** Whether nobody has answered in time. */
export function hasExpired({ status, expiresAt }: AgentAction, now: number): boolean {
  return status === 'pending' && expiresAt <= now
}

function createAction(input: ActionInput, client: Client, user: User, now: number): AgentAction {
  const riskScore = scoreAction(input.action, input.resource)
  const approvalType = approvalTypeOf(riskScore)
  return {
    id: randomUUID(),
    clientId: client.id,
    agentId: input.agentId,
    agentName: input.agentName,
    userId: user.id,
    action: input.action,
    resource: input.resource,
    detail: input.detail,
    riskScore,
    approvalType,
    status: approvalType === 'auto' ? 'auto_approved' : 'pending',
    approvers: [],
    createdAt: now,
    expiresAt: now + ACTION_TTL * 1000,
  }
}

function approvalTypeOf(score: number): ApprovalType {
  if (score <= MAX_AUTOMATIC_RISK) return 'auto'
  return score <= MAX_SINGLE_RISK ? 'single' : 'multi'
}

// Who has approved and then says no takes the approval back: nobody is left who wants it.
function answer(action: AgentAction, isApproved: boolean, userId: string): AgentAction {
  const others = action.approvers.filter((approver) => approver !== userId)
  if (!isApproved) return { ...action, approvers: others, status: 'denied' }
  if (others.length < action.approvers.length) {
    throw new AuthsecError('conflict', 'you have approved it: somebody else has to approve it too')
  }
  const approvers = [...action.approvers, userId]
  const isEnough = approvers.length >= APPROVALS_NEEDED[action.approvalType]
  return { ...action, approvers, status: isEnough ? 'approved' : 'pending' }
}

function assertConcerned({ userId }: AgentAction, { user }: Session): void {
  if (user.id !== userId && !user.permissions.has(ADMIN_PERMISSION)) {
    throw new AuthsecError('access_denied', 'the action waits for somebody else')
  }
}

function assertOpen(action: AgentAction, now: number): void {
  if (hasExpired(action, now)) throw new AuthsecError('conflict', 'the action has expired')
  if (action.status !== 'pending') throw new AuthsecError('conflict', `the action is ${action.status}`)
}

function assertActionInput({ agentId, action, resource, agentName = '', detail = '' }: ActionInput): void {
  for (const [name, text] of Object.entries({ agent_id: agentId, action, resource, agent_name: agentName })) {
    if (text.length > MAX_NAME_LENGTH) {
      throw new AuthsecError('invalid_request', `${name} has more than ${MAX_NAME_LENGTH} characters`)
    }
  }
  if (detail.length > MAX_DETAIL_LENGTH) {
    throw new AuthsecError('invalid_request', `detail has more than ${MAX_DETAIL_LENGTH} characters`)
  }
}

async function findParties(
  queries: Pick<Queries, 'clients' | 'users'>,
  { clientId, userEmail }: ActionInput,
): Promise<{ client: Client; user: User }> {
  const client = await findClient(queries, clientId)
  if (!client.active) throw new AuthsecError('client_not_found', `client ${quote(client.name)} is not active`)
  const user = await queries.users.findByEmail(userEmail)
  if (!user?.active) throw new AuthsecError('not_found', 'there is no such user')
  return { client, user }
}

// What an agent tells in words may be the arguments of a call, or say something of a person: it is shown to who answers,
// and not recorded, because a record can never be changed.
function describeAction({ action, resource, riskScore, approvalType }: AgentAction) {
  return {
    ...(NAME.test(action) && { action }),
    ...(NAME.test(resource) && { resource }),
    risk_score: riskScore,
    risk_level: levelOf(riskScore),
    approval_type: approvalType,
  }
}
