import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEY_PLACES, type KeyPlace } from '../../src/authority/key-sets.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed, type SeededDelegation } from '../../src/authority/seed-planting.js'
import { AuthsecError } from '../../src/core/errors.js'
import { parseJwt } from '../../src/core/jwt.js'
import type { User } from '../../src/store/store.js'
import { createVerifier } from '../../src/verify/index.js'
import { PROVENANCE, START } from '../support/authority-bench.js'
import {
  type AuthorityReplica,
  openReplica,
  serveReplica,
  untilServed,
} from '../support/authority-replicas.js'
import { exchange } from '../support/mint-load.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const ES256: KeyPlace = { purpose: 'call', alg: 'ES256' }
const PUBLISH_MS = 660_000
const ROTATE_MS = 30 * 86_400_000
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

describe.each([2, 8])('%i servers whose keys are due at the same instant', (count) => {
  /** Base keys and those of the log wait for a person. */
  const isRotated = (set: string) => /^(?:call|session) /.test(set)

  test('replace each of them once, by whoever leads, however often the lease ends meanwhile', async () => {
    await openAll(count)
    for (let round = 0; round < countRounds(2, 5); round++) {
      await untilServed(replicas)
      clock.now += ROTATE_MS
      const [before, start] = [await readActive(), await readHead()]
      const isDone = async () =>
        [...(await readActive())].every(
          ([set, active]) => !isRotated(set) || active[0] !== before.get(set)?.[0],
        )

      const seen: string[][] = []
      const watch = async () => seen.push(...(await readActive()).values())
      const isHeld = round % 2 === 0
      const endLease = () => schema.run(`update leases set expires_at = 0 where name = 'keys'`)
      await Promise.all([
        ...replicas.map((replica) => repeatUntil(isDone, () => lookAfter(replica))),
        repeatUntil(isDone, watch),
        ...(isHeld ? [] : [repeatUntil(isDone, endLease)]),
      ])

      const after = await readActive()
      expect([...seen, ...after.values()].filter((active) => active.length !== 1)).toEqual([])
      for (const [set, active] of after) {
        if (!isRotated(set)) expect([set, active]).toEqual([set, before.get(set)])
      }
      const activations = await readActivations(start)
      const replaced = activations.map(({ details: { purpose, alg } }) => `${purpose} ${alg}`)
      expect(replaced.sort()).toEqual([...after.keys()].filter(isRotated).sort())
      if (isHeld) expect(new Set(activations.map(({ boot }) => boot)).size).toBe(1)
    }
  })

  /** Lets a server do twice at once what it does by itself. */
  async function lookAfter({ authority: { keys } }: AuthorityReplica): Promise<void> {
    for (const outcome of await Promise.allSettled([keys.upkeep(), keys.upkeep()])) {
      if (outcome.status === 'fulfilled') continue
      // Whoever was slower is told so, and looks again.
      expect(outcome.reason).toMatchObject({ code: 'temporarily_unavailable' })
    }
  }

  async function repeatUntil(isDone: () => Promise<boolean>, work: () => Promise<unknown>): Promise<void> {
    do await work()
    while (!(await isDone()))
  }

  const readHead = async () => (await replicas[0]?.store.audit.head()) ?? -1

  async function readActivations(after: number) {
    const records = (await replicas[0]?.store.audit.search({ after, limit: 10_000 })) ?? []
    const events = records.map(({ record }) => JSON.parse(record))
    return events.filter(({ type, outcome }) => type === 'key.activated' && outcome === 'allow')
  }
})

describe('a verifier that keeps the key set as long as it may', () => {
  test('knows the key of every token that two servers sign while their keys are rotated', async ({
    annotate,
  }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const servers = [await serveAnother(), await serveAnother()] as const
    const [first] = servers
    const { authority, store } = first
    const { delegations } = await applySeed(
      { store, audit: authority.audit },
      DEV_SEED,
      authority.identity.tenantId,
      clock.now,
    )
    const [seeded] = delegations as [SeededDelegation]

    // As behind a load balancer, each time another server answers.
    const keySets: { at: number; maxAgeMs: number }[] = []
    let turn = 0
    const balance: typeof fetch = async (input, init) => {
      const { pathname } = new URL(String(input))
      const reply = await fetch(`${servers[turn++ % 2]?.url}${pathname}`, init)
      const maxAge = /max-age=(\d+)/.exec(reply.headers.get('cache-control') ?? '')?.[1]
      if (pathname === '/oauth/jwks') keySets.push({ at: clock.now, maxAgeMs: Number(maxAge) * 1000 })
      return reply
    }
    const verifier = createVerifier({
      serverUrl: first.url,
      audience: AUDIENCE,
      staleGraceSeconds: 0,
      tokenCache: false,
      fetch: balance,
      clock: () => clock.now,
    })

    const signers = new Set<string>()
    let rotations = 0
    let tokens: string[] = []
    // Once more after the last rotation, whose key signs then.
    for (let isOver = false; !isOver; ) {
      isOver = rotations >= countRounds(2, 5)
      await verifier.warm()
      // Those of a moment ago that are still alive, too.
      for (const token of tokens.filter((each) => Number(decodeJwt(each).exp) * 1000 > clock.now)) {
        verifier.verifySync(token)
      }
      const { token: base } = await authority.delegations.grant(seeded, seeded.user, PROVENANCE)
      const rotating = servers.map((server) => server.authority.keys.rotate(ES256, ADMIN, PROVENANCE))
      const minting = Array.from({ length: 16 }, async (_, number) => {
        const { body } = await exchange(servers[number % 2]?.url ?? '', seeded.clientId, base)
        const token = String(body.access_token)
        // It asks nobody: a key that is not at hand is an error.
        verifier.verifySync(token)
        signers.add(String(parseJwt(token).header['kid']))
        return token
      })
      const [outcomes, fresh] = await Promise.all([Promise.allSettled(rotating), Promise.all(minting)])
      rotations += outcomes.filter(({ status }) => status === 'fulfilled').length
      tokens = fresh
      await untilServed(servers)
      clock.now += 50_000 + Math.floor(random() * 100_000)
    }
    expect(signers.size).toBeGreaterThanOrEqual(rotations)
    // No key set was asked for before its time, as it is for a key that is not known.
    for (const [index, { at, maxAgeMs }] of keySets.entries()) {
      expect(maxAgeMs).toBe(300_000)
      expect((keySets[index + 1]?.at ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThan(0.8 * maxAgeMs)
    }
    expect(keySets.length).toBeGreaterThan(rotations)
  })

  async function serveAnother() {
    const server = await serveReplica(schema.url, () => clock.now)
    replicas.push(server)
    return server
  }
})
