import { randomUUID } from 'node:crypto'
import type { AuditDraft, AuditParty } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { ListedUser, Queries, Store, Transaction } from '../store/store.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import { assertEmail } from './clients.js'
import { CHOSEN_PASSWORD_COST, hashPassword } from './passwords.js'
import { assertAdministered } from './roles.js'
import type { Session } from './sessions.js'

export interface UserInput {
  email: string
  roles: readonly string[]
  /** What they log in with; without one they cannot. */
  password?: string | undefined
}

/** What may be changed of a user; what is left out stays. */
export interface UserPatch {
  roles?: readonly string[] | undefined
  /** Who is not active neither logs in nor is acted for. */
  active?: boolean | undefined
  /** Ends every session that was begun with the former one, but that of the caller. */
  password?: string | undefined
}

/** The people of the tenant. */
export interface Users {
  /** By e-mail address. */
  list(): Promise<ListedUser[]>
  /**
   * Throws `invalid_request` for an address, a password or a role that there is none of, or `conflict` when the
   * address is taken, in whatever case.
   */
  create(input: UserInput, session: Session, provenance: Provenance): Promise<ListedUser>
  /**
   * Decides the next pull and exchange already. Throws `not_found`, `invalid_request`, or `conflict` where nobody would
   * be left to administer the server.
   */
  update(id: string, patch: UserPatch, session: Session, provenance: Provenance): Promise<ListedUser>
}

export function createUsers(options: { store: Store; audit: AuditLog; clock: () => number }): Users {
  const { store, audit, clock } = options

  /** One attempt, one transaction; a password is hashed before it, because that takes its time. */
  function change(
    draft: AuditDraft,
    { roles, active, password }: UserPatch,
    provenance: Provenance,
    work: (transaction: Transaction, hash: string | undefined, attempt: Attempt) => Promise<string>,
  ): Promise<ListedUser> {
    return audit.attempt(draft, provenance, async (attempt) => {
      attempt.note({
        details: {
          ...(roles !== undefined && { roles: [...roles] }),
          ...(active !== undefined && { active }),
          ...(password !== undefined && { password_set: true }),
        },
      })
      const hash = password === undefined ? undefined : await hashChosen(password)
      return attempt.commit(async (transaction) => {
        await assertRoles(transaction, roles ?? [])
        return findUser(transaction, await work(transaction, hash, attempt))
      })
    })
  }

  return {
    list: () => store.users.list(),

    create({ email, roles: asked, password }, session, provenance) {
      const roles = [...new Set(asked)]
      const draft = { type: 'user.created', actor: partyOf(session.user.id) } as const
      return change(draft, { roles, password }, provenance, async (transaction, hash, attempt) => {
        assertEmail(email)
        await assertFree(transaction, email)
        const id = randomUUID()
        await transaction.users.insert({ id, email, roles, createdAt: clock() })
        await setPassword(transaction, id, hash)
        attempt.note({ subject: partyOf(id) })
        return id
      })
    },

    update(asked, patch, session, provenance) {
      // An address in the place of an id is personal data, and no part of the record.
      const known = readUuid(asked)
      const subject = known === undefined ? undefined : partyOf(known)
      const draft = { type: 'user.updated', actor: partyOf(session.user.id), subject } as const
      return change(draft, patch, provenance, async (transaction, hash) => {
        const { id, ...former } = await findUser(transaction, known ?? asked)
        const { active = former.active, roles = former.roles } = patch
        await transaction.users.update({ id, active, roles: [...new Set(roles)] })
        await setPassword(transaction, id, hash)
        await assertAdministered(transaction.users)
        if (!active || hash !== undefined) await transaction.sessions.removeByUser(id, session.id)
        return id
      })
    },
  }
}

function partyOf(id: string): AuditParty {
  return { type: 'user', id }
}

async function hashChosen(password: string): Promise<string> {
  try {
    return await hashPassword(password, CHOSEN_PASSWORD_COST)
  } catch (error) {
    if (AuthsecError.is(error, 'usage')) throw new AuthsecError('invalid_request', error.message)
    throw error
  }
}

// With no failures: whoever was locked out is let in with it.
async function setPassword(
  { passwords }: Transaction,
  userId: string,
  hash: string | undefined,
): Promise<void> {
  if (hash !== undefined) await passwords.replace({ userId, hash, failures: 0 })
}

async function assertRoles({ users }: Pick<Queries, 'users'>, roles: readonly string[]): Promise<void> {
  if (roles.length === 0) return
  const known = await users.listRoles()
  const unknown = roles.find((role) => !known.some(({ name }) => name === role))
  if (unknown === undefined) return
  throw new AuthsecError('invalid_request', `roles: there is no role ${quote(unknown)}`, {
    hint: 'See authsec role list; authsec role create makes one.',
  })
}

// Nobody has two addresses that differ in case only.
async function assertFree({ users }: Pick<Queries, 'users'>, email: string): Promise<void> {
  const same = await users.findByEmail(email)
  if (same !== undefined) throw new AuthsecError('conflict', `the user ${quote(same.email)} exists already`)
}

async function findUser({ users }: Pick<Queries, 'users'>, id: string): Promise<ListedUser> {
  const [user] = await users.list({ id })
  if (user === undefined) throw new AuthsecError('not_found', `no user ${quote(id)}`)
  return user
}
