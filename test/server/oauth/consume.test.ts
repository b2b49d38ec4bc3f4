import { beforeEach, describe, expect, test } from 'vitest'
import { PROVENANCE } from '../../support/authority-bench.js'
import {
  CALL_TOKEN,
  type ChainBench,
  claimsOf,
  type Fields,
  openChainBench,
} from '../../support/chain-bench.js'

let bench: ChainBench

beforeEach(async () => {
  bench = await openChainBench()
})

/** A token of the first agent for the API of the second. */
async function issue(fields: Fields = { one_time: 'true' }): Promise<string> {
  return (await bench.exchange(bench.baseToken, { resource: bench.agents[1]!.api, ...fields })).access_token
}

function consume(token: string | undefined, fields: Fields = {}) {
  return bench.post('/oauth/consume', { client_id: bench.agents[1]!.id, token, ...fields })
}

describe('POST /oauth/consume', () => {
  test('uses a one-time token up, and records that it was used', async () => {
    const token = await issue()
    const claims = claimsOf(token)
    const { status, body, headers } = await consume(token)
    expect(status).toBe(200)
    expect(body).toEqual({
      consumed: true,
      jti: claims.jti,
      exp: claims.exp,
      authsec_audit: expect.any(String),
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect((await bench.events()).at(-1)).toMatchObject({
      id: body['authsec_audit'],
      type: 'token.used',
      outcome: 'allow',
      actor: { type: 'client', id: bench.agents[1]!.id },
      subject: { type: 'user', id: bench.alice.id },
      jti: claims.jti,
      parent_jti: claims.parent_jti,
      delegation: claims.authsec_delegation,
      aud: [bench.agents[1]!.api],
      txn: claims.txn,
    })
  })

  test('leaves a token that introspection calls inactive', async () => {
    const token = await issue()
    const ask = async () => {
      const headers = { authorization: `Bearer ${await bench.authority.sessions.start(bench.admin.user)}` }
      return (await bench.post('/oauth/introspect', { token }, headers)).body
    }
    expect(await ask()).toMatchObject({ active: true })
    await consume(token)
    expect(await ask()).toEqual({ active: false })
  })

  test('lets exactly one of many win', async () => {
    const token = await issue()
    const replies = await Promise.all(Array.from({ length: 20 }, () => consume(token)))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)])
    const used = (await bench.events()).filter(({ type }) => type === 'token.used')
    expect(used.filter(({ outcome }) => outcome === 'allow')).toHaveLength(1)
    expect(used.filter(({ outcome, reason }) => outcome === 'deny' && reason === 'replayed')).toHaveLength(19)
  })

  test.each<{
    why: string
    send: () => Promise<[token: string | undefined, fields?: Fields]>
    status: number
    error: string
  }>([
    { why: 'no token', send: async () => [undefined], status: 400, error: 'invalid_request' },
    { why: 'what is no token', send: async () => ['x'], status: 400, error: 'invalid_request' },
    { why: 'a base token', send: async () => [bench.baseToken], status: 400, error: 'invalid_request' },
    {
      why: 'a token that is not one-time',
      send: async () => [await issue({})],
      status: 400,
      error: 'invalid_request',
    },
    {
      why: 'a client that does not run the API',
      send: async () => [await issue(), { client_id: bench.agents[0]!.id }],
      status: 403,
      error: 'access_denied',
    },
    {
      why: 'an API that no client runs',
      send: async () => [await issue({ one_time: 'true', resource: 'https://billing.example' })],
      status: 403,
      error: 'access_denied',
    },
    {
      why: 'an unknown client',
      send: async () => [await issue(), { client_id: '00000000-0000-4000-8000-000000000000' }],
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'no client',
      send: async () => [await issue(), { client_id: undefined }],
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'a token that has expired',
      send: async () => {
        const token = await issue()
        bench.clock.now += 60_000
        return [token]
      },
      status: 400,
      error: 'invalid_grant',
    },
    {
      why: 'a token whose delegation was revoked',
      send: async () => {
        const token = await issue()
        await bench.authority.delegations.revoke(bench.agents[0]!.id, bench.alice, PROVENANCE)
        return [token]
      },
      status: 400,
      error: 'invalid_grant',
    },
    {
      why: 'a token that was revoked',
      send: async () => {
        const token = await issue()
        await bench.post('/oauth/revoke', { client_id: bench.agents[0]!.id, token })
        return [token]
      },
      status: 400,
      error: 'invalid_grant',
    },
    {
      why: 'a token that was used',
      send: async () => {
        const token = await issue()
        await consume(token)
        return [token]
      },
      status: 409,
      error: 'replayed',
    },
  ])('refuses $why and records it', async ({ send, status, error }) => {
    const [token, fields] = await send()
    let reply: Awaited<ReturnType<typeof consume>> | undefined
    const events = await bench.eventsOf(async () => {
      reply = await consume(token, fields)
    })
    expect(reply).toMatchObject({ status, body: { error, error_description: expect.any(String) } })
    expect(events).toEqual([
      expect.objectContaining({
        type: 'token.used',
        outcome: 'deny',
        reason: error,
        id: reply?.body['authsec_audit'],
      }),
    ])
    expect(`${reply?.text}${JSON.stringify(events)}`).not.toMatch(/eyJ/)
  })

  test('forgets a use only when nobody can accept the token any more', async () => {
    const token = await issue({ one_time: 'true', ttl_seconds: '300' })
    await consume(token)
    bench.clock.now += 299_000
    expect(await consume(token)).toMatchObject({ status: 409 })
    // Another use sweeps what is over.
    bench.clock.now += 60_000
    expect(await consume(await issue())).toMatchObject({ status: 200 })
    expect(await consume(token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test('never takes a one-time token that somebody tried to exchange for another', async () => {
    const token = await issue()
    const refused = { client_id: bench.agents[1]!.id, subject_token: token, subject_token_type: CALL_TOKEN }
    expect(await bench.send(refused)).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    expect(await consume(token)).toMatchObject({ status: 200 })
  })
})
