import type { Kysely } from 'kysely'
import type { TrustTerms } from '../core/trust-rule.js'
import type { Schema, TrustRuleRow } from './schema.js'

/** Which jobs and other workloads may act as a client, by the identity tokens of another issuer. */
export interface TrustRule extends TrustTerms {
  name: string
  clientId: string
  createdAt: number
}
export interface TrustRuleQueries {
  find(name: string): Promise<TrustRule | undefined>
  /** By name; of one client where one is given. */
  list(clientId?: string): Promise<TrustRule[]>
}
export interface TrustRuleChanges extends TrustRuleQueries {
  insert(rule: TrustRule): Promise<void>
  remove(name: string): Promise<void>
}

export function createTrustRules(db: Kysely<Schema>, touch: () => Promise<void>): TrustRuleChanges {
  const rows = db.selectFrom('trust_rules').selectAll()
  return {
    async find(name) {
      const row = await rows.where('name', '=', name).executeTakeFirst()
      return row && toRule(row)
    },
    async list(clientId) {
      const matching = clientId === undefined ? rows : rows.where('client_id', '=', clientId)
      return (await matching.orderBy('name').execute()).map(toRule)
    },
    async insert({ name, clientId, issuer, audience, subject, claims, createdAt }) {
      await db
        .insertInto('trust_rules')
        .values({
          name,
          client_id: clientId,
          issuer,
          audience,
          subject,
          claims: JSON.stringify(claims),
          created_at: createdAt,
        })
        .execute()
      await touch()
    },
    async remove(name) {
      await db.deleteFrom('trust_rules').where('name', '=', name).execute()
      await touch()
    },
  }
}

function toRule({ client_id: clientId, claims, created_at: createdAt, ...row }: TrustRuleRow): TrustRule {
  return { ...row, clientId, claims: JSON.parse(claims), createdAt }
}
