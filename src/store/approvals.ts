import type { Kysely } from 'kysely'
import { orUndefined, readList } from './columns.js'
import type { ApprovalRow, Schema } from './schema.js'

/** Something that a program has asked a person for and polls until the person has answered. */
export interface Approval {
  id: string
  kind: ApprovalKind
  /** The contract over which it was asked: only over the same one may a program ask how it stands. */
  form: ApprovalForm
  /** base64url SHA-256 of what the program polls with (`device_code`, `auth_req_id`). */
  handleHash: string
  /** base64url SHA-256 of what the person types. */
  userCodeHash?: string | undefined
  /** The registered client that asks. */
  clientId?: string | undefined
  /** Who is asked; for a device whoever has answered. */
  userId?: string | undefined
  /** The scopes as they were asked for. */
  scopes: readonly string[]
  /** The most that the session will be able to do; undefined means everything that its user can. */
  ceiling?: readonly string[] | undefined
  /** What the asking program shows too, so that the person can compare. */
  bindingMessage?: string | undefined
  /** What the device says of itself, as JSON text. */
  deviceInfo?: string | undefined
  status: ApprovalStatus
  intervalSeconds: number
  polledAt?: number | undefined
  createdAt: number
  expiresAt: number
}

export type ApprovalKind = 'device' | 'ciba'
/** AuthSec's admin plane (its only one for devices), its tenant plane, or the standard. */
export type ApprovalForm = 'authsec' | 'tenant' | 'oauth'
export type ApprovalStatus = 'pending' | 'approved' | 'denied'

export interface ApprovalQueries {
  find(id: string): Promise<Approval | undefined>
  findByHandle(handleHash: string): Promise<Approval | undefined>
  findByUserCode(userCodeHash: string): Promise<Approval | undefined>
  /** What waits for an answer of this user, oldest first. */
  listPending(userId: string, now: number): Promise<Approval[]>
  /** How many of a kind wait for an answer that one client, or nobody by name, has asked for over the same contract. */
  countPending(alike: Pick<Approval, 'kind' | 'form' | 'clientId'>, now: number): Promise<number>
}
export interface ApprovalChanges extends ApprovalQueries {
  /** Keeps one, and forgets those that expired before `forgetBefore`. */
  insert(approval: Approval, forgetBefore: number): Promise<void>
  update(approval: Approval): Promise<void>
  remove(id: string): Promise<void>
}

export function createApprovals(db: Kysely<Schema>): ApprovalChanges {
  const rows = db.selectFrom('approvals').selectAll()
  const pending = (now: number) => rows.where('status', '=', 'pending').where('expires_at', '>', now)
  const toOne = (row: ApprovalRow | undefined) => row && toApproval(row)

  return {
    find: async (id) => toOne(await rows.where('id', '=', id).executeTakeFirst()),
    findByHandle: async (hash) => toOne(await rows.where('handle_hash', '=', hash).executeTakeFirst()),
    findByUserCode: async (hash) => toOne(await rows.where('user_code_hash', '=', hash).executeTakeFirst()),
    async listPending(userId, now) {
      const found = await pending(now).where('user_id', '=', userId).orderBy('created_at').execute()
      return found.map(toApproval)
    },
    async countPending({ kind, form, clientId }, now) {
      const { count } = await pending(now)
        .where('kind', '=', kind)
        .where('form', '=', form)
        .where('client_id', clientId === undefined ? 'is' : '=', clientId ?? null)
        .clearSelect()
        .select((select) => select.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return Number(count)
    },
    async insert(approval, forgetBefore) {
      await db.deleteFrom('approvals').where('expires_at', '<=', forgetBefore).execute()
      await db.insertInto('approvals').values(toRow(approval)).execute()
    },
    async update(approval) {
      await db.updateTable('approvals').set(toRow(approval)).where('id', '=', approval.id).execute()
    },
    async remove(id) {
      await db.deleteFrom('approvals').where('id', '=', id).execute()
    },
  }
}

function toApproval(row: ApprovalRow): Approval {
  return {
    id: row.id,
    kind: row.kind as ApprovalKind,
    form: row.form as ApprovalForm,
    handleHash: row.handle_hash,
    userCodeHash: orUndefined(row.user_code_hash),
    clientId: orUndefined(row.client_id),
    userId: orUndefined(row.user_id),
    scopes: readList(row.scopes),
    ceiling: row.ceiling === null ? undefined : readList(row.ceiling),
    bindingMessage: orUndefined(row.binding_message),
    deviceInfo: orUndefined(row.device_info),
    status: row.status as ApprovalStatus,
    intervalSeconds: row.interval_seconds,
    polledAt: orUndefined(row.polled_at),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

function toRow(approval: Approval): ApprovalRow {
  return {
    id: approval.id,
    kind: approval.kind,
    form: approval.form,
    handle_hash: approval.handleHash,
    user_code_hash: approval.userCodeHash ?? null,
    client_id: approval.clientId ?? null,
    user_id: approval.userId ?? null,
    scopes: JSON.stringify(approval.scopes),
    ceiling: approval.ceiling === undefined ? null : JSON.stringify(approval.ceiling),
    binding_message: approval.bindingMessage ?? null,
    device_info: approval.deviceInfo ?? null,
    status: approval.status,
    interval_seconds: approval.intervalSeconds,
    polled_at: approval.polledAt ?? null,
    created_at: approval.createdAt,
    expires_at: approval.expiresAt,
  }
}
