import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ActorClaim, CallClaims } from '../../../src/core/claims.js'
import { AuthsecError } from '../../../src/core/errors.js'
import { refusalOf } from '../../support/authority-bench.js'
import {
  BASE_TOKEN,
  BILLING,
  CALL_TOKEN,
  type ChainBench,
  claimsOf,
  type Fields,
  openChainBench,
  PROFILE,
  SESSION_TOKEN,
} from '../../support/chain-bench.js'

let bench: ChainBench

beforeEach(async () => {
  bench = await openChainBench()
})

describe('three hops: user, orchestrator, agent, sub-agent', () => {
  test.each(['base', 'session'] as const)(
    'from a %s token nest the actors, the current one outermost',
    async (from) => {
      const hops: CallClaims[] = []
      for (const length of [1, 2, 3]) hops.push(claimsOf(await bench.chain(length, from)))
      const [orchestrator, agent, subAgent] = bench.agents.map(({ spiffeId, id }) => ({
        sub: spiffeId,
        client_id: id,
      }))

      const last = hops[2]!
      expect(last.sub).toBe(bench.alice.id)
      expect(last.act).toEqual({ ...subAgent, act: { ...agent, act: orchestrator } })
      expect(last.client_id).toBe(subAgent?.client_id)
      expect(last.authsec_grant).toBe(from === 'base' ? 'standing' : 'user')
      for (const actor of listActors(last.act)) {
        expect(Object.keys(actor).filter((name) => !['sub', 'client_id', 'act'].includes(name))).toEqual([])
      }
    },
  )

  test('share one root and one txn, and each names what it descends from', async () => {
    const [orchestrator, agent, subAgent] = bench.agents
    const first = await bench.exchangeAs(orchestrator!, bench.baseToken, BASE_TOKEN, { resource: agent!.api })
    const second = await bench.exchangeAs(agent!, first.access_token, CALL_TOKEN, { resource: subAgent!.api })
    const third = await bench.exchangeAs(subAgent!, second.access_token, CALL_TOKEN)
    const [one, two, three] = [first, second, third].map(({ access_token }) => claimsOf(access_token))
    expect(new Set([one!.txn, two!.txn, three!.txn]).size).toBe(1)
    expect(new Set([one!.authsec_delegation, two!.authsec_delegation, three!.authsec_delegation]).size).toBe(
      1,
    )
    expect(two!.parent_jti).toBe(one!.jti)
    expect(two!.authsec_ancestors).toEqual([one!.parent_jti])
    expect(three!.parent_jti).toBe(two!.jti)
    expect(three!.authsec_ancestors).toEqual([one!.jti, one!.parent_jti])

    const event = (await bench.events()).at(-1)
    expect(event).toMatchObject({
      type: 'token.exchanged',
      outcome: 'allow',
      actor: { type: 'client', id: subAgent!.id },
      subject: { type: 'user', id: bench.alice.id },
      client: subAgent!.id,
      jti: three!.jti,
      parent_jti: two!.jti,
      delegation: one!.authsec_delegation,
      txn: one!.txn,
      aud: [BILLING],
      act: { client_id: subAgent!.id, act: { client_id: agent!.id, act: { client_id: orchestrator!.id } } },
    })
  })

  test('end after five actors', async () => {
    expect(listActors(claimsOf(await bench.chain(5)).act)).toHaveLength(5)
    expect(await refusalOf(bench.chain(6))).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('longer than 5'),
    })
  })

  test('end after five when it is always the same client', async () => {
    const [agent] = bench.agents
    let token = (await bench.exchange(bench.baseToken)).access_token
    for (let hop = 2; hop <= 5; hop++) {
      token = (await bench.exchangeAs(agent!, token, CALL_TOKEN)).access_token
    }
    expect(await refusalOf(bench.exchangeAs(agent!, token, CALL_TOKEN))).toMatchObject({
      code: 'invalid_request',
    })
  })

  test('let an actor token prove who acts, and change nothing else', async () => {
    const [orchestrator] = bench.agents
    const session = await bench.authority.sessions.start(bench.alice)
    const fields = { actor_token: bench.baseToken, actor_token_type: BASE_TOKEN }
    const claims = claimsOf(
      (await bench.exchangeAs(orchestrator!, session, SESSION_TOKEN, fields)).access_token,
    )
    expect(claims.act).toEqual({ sub: orchestrator!.spiffeId, client_id: orchestrator!.id })
    expect((await bench.events()).at(-1)?.details).toMatchObject({
      actor_jti: claimsOf(bench.baseToken).jti,
      subject_token: 'session',
    })
  })

  test('let only the one act whom may_act names', async () => {
    const [orchestrator, agent] = bench.agents
    const fields = { resource: agent!.api, may_act: JSON.stringify({ client_id: agent!.id }) }
    const { access_token: token } = await bench.exchangeAs(orchestrator!, bench.baseToken, BASE_TOKEN, fields)
    expect(claimsOf(token).may_act).toEqual({ client_id: agent!.id })
    // An agent proves itself by a call token of its own: here one that it was given on another task.
    const other = await bench.chain(2)
    const proven = { actor_token: other, actor_token_type: CALL_TOKEN }
    const claims = claimsOf((await bench.exchangeAs(agent!, token, CALL_TOKEN, proven)).access_token)
    expect(claims.act.client_id).toBe(agent!.id)
    expect(claims.may_act).toBeUndefined()
  })
})

describe('what an exchange costs', () => {
  test('of a base token: one question, and one more in the transaction that records it', async () => {
    // The first one after a change of authority also asks whether its key still signs.
    await bench.exchange(bench.baseToken)
    await new Promise((resolve) => setImmediate(resolve))
    await bench.store.keys.list()
    const asked = countQuestions(bench.store)
    await bench.exchange(bench.baseToken)
    expect(asked).toEqual(['delegations.findStanding', 'write'])
  })
})

interface Hop {
  agent: number
  resource: number
  scope: string[] | undefined
  ttl: number | undefined
  tool: string | undefined
  bind: boolean
  wait: number
}

const PERMISSIONS = ['billing:read', 'orders:read', 'profile:read', 'billing:refund']

const hop: fc.Arbitrary<Hop> = fc.record({
  // Mostly who may present it, so that most chains get somewhere.
  agent: fc.constantFrom(0, 0, 0, 1),
  resource: fc.nat({ max: 7 }),
  scope: fc.option(fc.subarray(PERMISSIONS, { minLength: 1 }), { nil: undefined, freq: 2 }),
  ttl: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
  tool: fc.constantFrom(undefined, undefined, undefined, 'read', 'write'),
  bind: fc.boolean(),
  wait: fc.constantFrom(0, 0, 0, 1_000, 30_000),
})

describe('over a thousand random chains', () => {
  test('scope, audience and expiry only shrink, and a condition is never dropped', async () => {
    const reached = [0, 0, 0, 0, 0, 0]
    await fc.assert(
      fc.asyncProperty(
        fc.array(hop, { minLength: 3, maxLength: 8 }),
        fc.boolean(),
        async (hops, fromSession) => {
          let subject = fromSession ? await bench.authority.sessions.start(bench.alice) : bench.baseToken
          let type = fromSession ? SESSION_TOKEN : BASE_TOKEN
          let presenter = bench.agents[0]!
          let parent: CallClaims | undefined
          let length = 0
          for (const { agent, resource, scope, ttl, tool, bind, wait } of hops) {
            const target = resourceAt(resource)
            const fields: Fields = {
              resource: target,
              scope: scope?.join(' '),
              ttl_seconds: ttl === undefined ? undefined : String(ttl),
              tool,
              bind: bind && (tool ?? parent?.tool) !== undefined ? 'tool' : undefined,
            }
            const by = agent === 1 ? bench.agents[5]! : presenter
            const answer = await bench.exchangeAs(by, subject, type, fields).catch((error: unknown) => {
              if (!AuthsecError.is(error)) throw error
              expect(['invalid_scope', 'invalid_target', 'invalid_grant', 'invalid_request']).toContain(
                error.code,
              )
            })
            if (answer === undefined) continue
            const child = claimsOf(answer.access_token)
            if (parent !== undefined) expectNarrower(child, parent, scope)
            expect(child.scope).toBe(child.permissions.join(' '))
            expect(child.permissions).not.toContain('billing:refund')
            expect(child.aud).toBe(target)
            length = listActors(child.act).length
            parent = child
            subject = answer.access_token
            type = CALL_TOKEN
            presenter = bench.agents.find(({ api }) => api === target) ?? by
            bench.clock.now += wait
          }
          reached[length]!++
        },
      ),
      { numRuns: 1_000 },
    )
    // The chains got somewhere: otherwise nothing was tried.
    expect(reached[2]! + reached[3]! + reached[4]! + reached[5]!).toBeGreaterThan(300)
    expect(reached[4]! + reached[5]!).toBeGreaterThan(10)
  }, 120_000)
})

function resourceAt(index: number): string {
  return [BILLING, PROFILE, 'https://orders.example', ...bench.agents.slice(1, 6).map(({ api }) => api)][
    index
  ]!
}

function expectNarrower(child: CallClaims, parent: CallClaims, asked: string[] | undefined): void {
  expect(parent.permissions).toEqual(expect.arrayContaining(child.permissions))
  if (asked !== undefined) expect([...child.permissions].sort()).toEqual([...asked].sort())
  expect(child.exp).toBeLessThanOrEqual(parent.exp)
  expect(child.sub).toBe(parent.sub)
  expect(child.txn).toBe(parent.txn)
  expect(child.authsec_delegation).toBe(parent.authsec_delegation)
  expect(child.authsec_grant).toBe(parent.authsec_grant)
  expect(child.act.act).toEqual(parent.act)
  if (parent.tool !== undefined) expect(child.tool).toBe(parent.tool)
  for (const binding of parent.bind ?? []) expect(child.bind).toContain(binding)
}

function listActors(act: ActorClaim | undefined): ActorClaim[] {
  return act === undefined ? [] : [act, ...listActors(act.act)]
}

/** The names of all questions that a store is asked from now on, outside its transactions. */
function countQuestions(store: object): string[] {
  const asked: string[] = []
  const spy = (owner: Record<string, unknown>, name: string, path: string) => {
    const original = owner[name] as (...args: unknown[]) => unknown
    owner[name] = (...args: unknown[]) => {
      asked.push(path)
      return original(...args)
    }
  }
  for (const [aggregate, queries] of Object.entries(store)) {
    if (typeof queries === 'function') spy(store as Record<string, unknown>, aggregate, aggregate)
    else for (const name of Object.keys(queries)) spy(queries, name, `${aggregate}.${name}`)
  }
  return asked
}
