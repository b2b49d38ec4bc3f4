import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEY_PLACES, type KeyPlace } from '../../src/authority/key-sets.js'
import { applySeed, DEV_SEED } from '../../src/authority/seed.js'
import { AuthsecError } from '../../src/core/errors.js'
import { parseJwt } from '../../src/core/jwt.js'
import type { User } from '../../src/store/store.js'
import { PROVENANCE, START } from '../support/authority-bench.js'
import { type AuthorityReplica, openReplica, untilServed } from '../support/authority-replicas.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { countRounds } from './rounds.js'

const ES256: KeyPlace = { purpose: 'call', alg: 'ES256' }
const PUBLISH_MS = 660_000
/** How long a verifier keeps a key set, as `/oauth/jwks` says. */
const MAX_AGE_MS = 300_000
const ADMIN = { id: 'admin' } as User
const AUDIENCE = 'https://billing.example'

let schema: PostgresSchema
let clock: { now: number }
const replicas: AuthorityReplica[] = []

beforeEach(async () => {
  schema = await makePostgresSchema()
  clock = { now: START }
})
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close()
  await schema.drop()
})

async function openAll(count: number): Promise<void> {
  replicas.push(await openReplica(schema.url, () => clock.now))
  const others = Array.from({ length: count - 1 }, () => openReplica(schema.url, () => clock.now))
  replicas.push(...(await Promise.all(others)))
}

/** The active keys of each set, as the database has them. */
async function readActive(): Promise<Map<string, string[]>> {
  const keys = (await replicas[0]?.store.keys.list()) ?? []
  return new Map(
    KEY_PLACES.map(({ purpose, alg }) => [
      `${purpose} ${alg}`,
      keys
        .filter((key) => key.purpose === purpose && key.alg === alg && key.state === 'active')
        .map(({ kid }) => kid),
    ]),
  )
}

describe.each([2, 8])('%i servers that rotate at the same instant', (count) => {
  test('make exactly one new key active, and there is always one and never two', async () => {
    await openAll(count)
    for (let round = 0; round < countRounds(2, 5); round++) {
      await untilServed(replicas)
      clock.now += PUBLISH_MS + 1_000
      const before = await readActive()

      let isRotating = true
      const seen: string[][] = []
      const watching = (async () => {
        while (isRotating) seen.push(...(await readActive()).values())
      })()
      const outcomes = await Promise.allSettled(
        replicas.map(({ authority }) => authority.keys.rotate(ES256, ADMIN, PROVENANCE)),
      )
      isRotating = false
      await watching

      const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      expect(refused.map((error) => (AuthsecError.is(error) ? error.code : error))).toEqual(
        Array(count - 1).fill('conflict'),
      )
      const after = await readActive()
      expect([...seen, ...after.values()].filter((active) => active.length !== 1)).toEqual([])
      expect(after.get('call ES256')).not.toEqual(before.get('call ES256'))
      expect(new Map([...after, ['call ES256', []]])).toEqual(new Map([...before, ['call ES256', []]]))
    }
  })
})

describe('a verifier that keeps the key set as long as it may', () => {
  test('knows the key of every token that two servers sign while their keys are rotated', async () => {
    await openAll(2)
    const [first] = replicas
    if (first === undefined) throw new Error('no server')
    const { delegations } = await applySeed(
      { store: first.store, audit: first.authority.audit },
      DEV_SEED,
      first.authority.identity.tenantId,
      clock.now,
    )
    const [seeded] = delegations
    if (seeded === undefined) throw new Error('no delegation')
    const cache: { kids: Set<string>; until: number } = { kids: new Set(), until: 0 }
    const signers = new Set<string>()
    let rotations = 0
    let turn = 0

    async function mintAndVerify({ authority }: AuthorityReplica, base: string): Promise<void> {
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: base,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        client_id: seeded?.clientId ?? '',
        resource: AUDIENCE,
      }
      const { access_token: token } = await authority.tokens.issue(
        { form: new Map(Object.entries(form)), authorization: null },
        PROVENANCE,
      )
      const kid = String(parseJwt(token).header['kid'])
      if (cache.until <= clock.now) {
        const { authority: any } = replicas[turn++ % 2] as AuthorityReplica
        cache.kids = new Set(any.keyring.callKeySet.keys.map((key) => String(key.kid)))
        cache.until = clock.now + MAX_AGE_MS
      }
      expect(cache.kids).toContain(kid)
      signers.add(kid)
    }

    while (rotations < countRounds(2, 5)) {
      const { agentType, audience, clientId, user } = seeded
      const grant = { clientId, agentType, audience, ttlSeconds: 3_600 }
      const { token: base } = await first.authority.delegations.grant(grant, user, PROVENANCE)
      const load = Promise.all(
        Array.from({ length: 16 }, (_, number) =>
          mintAndVerify(replicas[number % 2] as AuthorityReplica, base),
        ),
      )
      const outcomes = await Promise.allSettled(
        replicas.map(({ authority }) => authority.keys.rotate(ES256, ADMIN, PROVENANCE)),
      )
      rotations += outcomes.filter(({ status }) => status === 'fulfilled').length
      await load
      await untilServed(replicas)
      // Not a divisor of the life of a key set, so that it ends at ever other moments of a rotation.
      clock.now += 110_000
    }
    expect(signers.size).toBeGreaterThanOrEqual(rotations)
  })
})
