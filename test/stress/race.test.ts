import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type Authority, openAuthority } from '../../src/authority/authority.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed, type SeededDelegation } from '../../src/authority/seed-planting.js'
import { AuthsecError } from '../../src/core/errors.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { ISSUER, KEK, PROVENANCE, START } from '../support/authority-bench.js'
import { openReplica } from '../support/authority-replicas.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { exchangeForm } from '../support/running-server.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

/** Two ways to one store, and how both are closed. */
interface Pair {
  revoker: Authority
  minter: Authority
  store: Store
  close(): Promise<void>
}

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function openMemory(): Promise<Pair> {
  const store = await openStore(':memory:')
  const authority = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START })
  return { revoker: authority, minter: authority, store, close: () => store.close() }
}

async function openPostgres(): Promise<Pair> {
  const schema = await makePostgresSchema()
  const [one, other] = [
    await openReplica(schema.url, () => START),
    await openReplica(schema.url, () => START),
  ]
  return {
    revoker: one.authority,
    minter: other.authority,
    store: one.store,
    async close() {
      await Promise.all([one.close(), other.close()])
      await schema.drop()
    },
  }
}

const ROUNDS = countRounds(20, 100)

describe.each([
  { engine: 'SQLite', open: openMemory },
  { engine: 'PostgreSQL, by two servers', open: openPostgres },
])('a revocation and an issuance that race in $engine', ({ open }) => {
  test('leave no issuance behind its revocation in the log', async ({ annotate }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const { revoker, minter, store, close } = await open()
    closers.push(close)
    const { delegations } = await applySeed(
      { store, audit: revoker.audit },
      DEV_SEED,
      revoker.identity.tenantId,
      START,
    )
    const [seeded] = delegations as [SeededDelegation]
    const { clientId, user } = seeded
    let [issued, refused] = [0, 0]

    for (let round = 0; round < ROUNDS; round++) {
      const { token, delegation } = await revoker.delegations.grant(seeded, user, PROVENANCE)
      const form = new Map(Object.entries({ ...exchangeForm(clientId), subject_token: token }))
      const mint = () => minter.tokens.issue({ form, authorization: null }, PROVENANCE)
      const revoke = () => revoker.delegations.revoke(clientId, user, PROVENANCE)
      const start = (await store.audit.head()) + 1
      // Anywhere among the issuances.
      const works = [mint, mint, mint, mint]
      works.splice(Math.floor(random() * 5), 0, revoke as never)
      const outcomes = await Promise.allSettled(
        works.map(async (work) => {
          await delay(random() * 25)
          return work()
        }),
      )
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') issued++
        else {
          refused++
          expect(AuthsecError.is(outcome.reason) && outcome.reason.code).toBe('invalid_grant')
        }
      }
      const log = (await store.audit.search({ after: start - 1, limit: 100 })).map(({ record }) => {
        const { type, outcome, delegation: id } = JSON.parse(record)
        return { type, outcome, id }
      })
      const revoked = log.findIndex(({ type }) => type === 'delegation.revoked')
      expect(log[revoked]?.id).toBe(delegation.id)
      const later = log
        .slice(revoked)
        .filter(({ type, outcome }) => /^token/.test(type) && outcome === 'allow')
      expect(later).toEqual([])
    }
    // A race that always ends the same way would show nothing.
    expect(issued - ROUNDS).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  })
})
