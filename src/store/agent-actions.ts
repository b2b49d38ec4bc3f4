import type { Kysely } from 'kysely'
import { orUndefined, readList } from './columns.js'
import type { AgentActionRow, Schema } from './schema.js'

/** Something an agent wants to do, and how far its approval has come. */
export interface AgentAction {
  id: string
  clientId: string
  agentId: string
  agentName?: string | undefined
  /** For whom the agent acts, and who answers. */
  userId: string
  action: string
  resource: string
  detail?: string | undefined
  riskScore: number
  approvalType: ApprovalType
  status: AgentActionStatus
  /** The ids of the users who approved it. */
  approvers: readonly string[]
  createdAt: number
  expiresAt: number
}

/** How many people have to approve: nobody, one, or two. */
export type ApprovalType = 'auto' | 'single' | 'multi'
export type AgentActionStatus = 'pending' | 'auto_approved' | 'approved' | 'denied'

export interface AgentActionQueries {
  find(id: string): Promise<AgentAction | undefined>
  /** What waits for an answer, oldest first; of one user or of all. */
  listPending(now: number, userId?: string): Promise<AgentAction[]>
}
export interface AgentActionChanges extends AgentActionQueries {
  /** Keeps one, and forgets those that expired before `forgetBefore`. */
  insert(action: AgentAction, forgetBefore: number): Promise<void>
  update(action: AgentAction): Promise<void>
}

// More than anybody answers; what is beyond is found once these are.
const MAX_PENDING = 500

export function createAgentActions(db: Kysely<Schema>): AgentActionChanges {
  const rows = db.selectFrom('agent_actions').selectAll()
  return {
    async find(id) {
      const row = await rows.where('id', '=', id).executeTakeFirst()
      return row && toAction(row)
    },
    async listPending(now, userId) {
      let matching = rows.where('status', '=', 'pending').where('expires_at', '>', now)
      if (userId !== undefined) matching = matching.where('user_id', '=', userId)
      const found = await matching.orderBy('created_at').orderBy('id').limit(MAX_PENDING).execute()
      return found.map(toAction)
    },
    async insert(action, forgetBefore) {
      await db.deleteFrom('agent_actions').where('expires_at', '<=', forgetBefore).execute()
      await db.insertInto('agent_actions').values(toRow(action)).execute()
    },
    async update(action) {
      const { id, ...row } = toRow(action)
      await db.updateTable('agent_actions').set(row).where('id', '=', id).execute()
    },
  }
}

function toAction(row: AgentActionRow): AgentAction {
  return {
    id: row.id,
    clientId: row.client_id,
    agentId: row.agent_id,
    agentName: orUndefined(row.agent_name),
    userId: row.user_id,
    action: row.action,
    resource: row.resource,
    detail: orUndefined(row.detail),
    riskScore: row.risk_score,
    approvalType: row.approval_type as ApprovalType,
    status: row.status as AgentActionStatus,
    approvers: readList(row.approvers),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

function toRow(action: AgentAction): AgentActionRow {
  return {
    id: action.id,
    client_id: action.clientId,
    agent_id: action.agentId,
    agent_name: action.agentName ?? null,
    user_id: action.userId,
    action: action.action,
    resource: action.resource,
    detail: action.detail ?? null,
    risk_score: action.riskScore,
    approval_type: action.approvalType,
    status: action.status,
    approvers: JSON.stringify(action.approvers),
    created_at: action.createdAt,
    expires_at: action.expiresAt,
  }
}
