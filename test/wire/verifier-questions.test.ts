import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  createVerifier,
  type DelegationVerifier,
  type VerifierOptions,
  type VerifyEvent,
} from '../../src/verify/index.js'
import { ISSUER } from '../support/authority-bench.js'
import { type ChainBench, type Fields, openChainBench } from '../support/chain-bench.js'

let bench: ChainBench

beforeEach(async () => {
  bench = await openChainBench()
})

/** The API of the second agent, which asks the server as that agent unless something else is said. */
function openApi(options: Partial<VerifierOptions>): DelegationVerifier {
  const { id: clientId, api: audience } = bench.agents[1]!
  const { fetch, clock } = bench
  return createVerifier({
    serverUrl: ISSUER,
    audience,
    client: { clientId },
    fetch,
    clock: () => clock.now,
    ...options,
  })
}

/** A token of the first agent for that API. */
async function issue(fields: Fields = {}): Promise<string> {
  return (await bench.exchange(bench.baseToken, { resource: bench.agents[1]!.api, ...fields })).access_token
}

describe('a one-time token of the bundled server', () => {
  test('is used up there by the first of several APIs, and on record', async () => {
    const token = await issue({ one_time: 'true' })
    const apis = Array.from({ length: 5 }, () => openApi({ replay: 'server' }))
    const answers = await Promise.allSettled(apis.map((api) => api.verify(token, { oneTime: true })))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const refusals = answers.filter((answer) => answer.status === 'rejected')
    expect(refusals.map(({ reason }) => reason.code)).toEqual(Array(4).fill('replayed'))
    const used = (await bench.events()).filter(
      ({ type, outcome }) => type === 'token.used' && outcome === 'allow',
    )
    expect(used).toHaveLength(1)
  })

  test('is not used up by an API that does not own the resource, which is told why', async () => {
    const token = await issue({ one_time: 'true' })
    const stranger = openApi({ replay: 'server', client: { clientId: bench.agents[2]!.id } })
    await expect(stranger.verify(token)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('is not run by this client'),
    })
    await expect(openApi({ replay: 'server' }).verify(token)).resolves.toBeDefined()
  })
})

describe('a use that the bundled server is told of', () => {
  test('is on record, with the token and the API that accepted it', async () => {
    const token = await issue()
    const claims = decodeJwt(token)
    const lost: VerifyEvent[] = []
    const api = openApi({ useReceipts: true, onEvent: (event) => lost.push(event) })
    await api.verify(token)
    const receipts = async () => (await bench.events()).filter(({ type }) => type === 'token.used')
    await expect.poll(receipts).toEqual([
      expect.objectContaining({
        outcome: 'allow',
        actor: { type: 'client', id: bench.agents[1]!.id },
        subject: { type: 'user', id: bench.alice.id },
        jti: claims['jti'],
        parent_jti: claims['parent_jti'],
        delegation: claims['authsec_delegation'],
        aud: [bench.agents[1]!.api],
        details: { receipt: true },
      }),
    ])
    const stranger = openApi({
      useReceipts: true,
      client: { clientId: bench.agents[2]!.id },
      onEvent: (event) => lost.push(event),
    })
    await expect(stranger.verify(token)).resolves.toBeDefined()
    await expect
      .poll(() => lost.filter(({ type }) => type === 'receipt.lost'))
      .toEqual([{ type: 'receipt.lost', jti: claims['jti'], code: 'configuration' }])
    expect((await receipts()).at(-1)).toMatchObject({ outcome: 'deny', reason: 'access_denied' })
    const once = await issue({ one_time: 'true' })
    await openApi({ useReceipts: true, replay: 'server' }).verify(once)
    expect((await receipts()).filter(({ jti }) => jti === decodeJwt(once)['jti'])).toHaveLength(1)
  })

  test.each([
    { why: 'no token', token: undefined, status: 400, error: 'invalid_request' },
    { why: 'what is no token', token: 'x', status: 400, error: 'invalid_request' },
  ])('is refused for $why', async ({ token, status, error }) => {
    const answer = await bench.post('/audit/use', { client_id: bench.agents[1]!.id, token })
    expect([answer.status, answer.body['error']]).toEqual([status, error])
  })
})

describe('a bound token of the bundled server', () => {
  const call = { invoice: 'in_1', amount: '10.00' }

  test('is accepted for its call, and for none of which a digit has changed', async () => {
    const token = await issue({ tool: 'refund', call: JSON.stringify(call) })
    const api = openApi({})
    await expect(api.verify(token, { tool: 'refund', call })).resolves.toMatchObject({ call })
    await expect(
      api.verify(token, { tool: 'refund', call: { ...call, amount: '10.01' } }),
    ).rejects.toMatchObject({ code: 'call_mismatch', auditId: expect.any(String) })
    await expect(api.verify(token, { tool: 'refund' })).rejects.toMatchObject({ code: 'unhandled_binding' })
  })
})

describe('a token that was revoked at the bundled server', () => {
  test('is refused at once by an API that asks, and accepted until it expires by one that does not', async () => {
    const session = await bench.authority.sessions.start(bench.admin.user)
    const custom = async () => ({ headers: { authorization: `Bearer ${session}` } })
    const client = { clientId: bench.agents[1]!.id, credentials: { custom } }
    const [asking, trusting] = [openApi({ introspect: true, client }), openApi({})]
    const token = await issue()
    await expect(asking.verify(token)).resolves.toBeDefined()
    await bench.post('/oauth/revoke', { client_id: bench.agents[0]!.id, token })
    await expect(asking.verify(token)).rejects.toMatchObject({ code: 'token_inactive' })
    await expect(trusting.verify(token)).resolves.toBeDefined()
  })
})
