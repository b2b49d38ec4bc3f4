import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { matchesCall } from '../../../src/core/call-binding.js'
import { parseJwt } from '../../../src/core/jwt.js'
import { BILLING, type ChainBench, claimsOf, type Fields, openChainBench } from '../../support/chain-bench.js'

const ARGS = { invoice: 'in_1', amount: '10.00' }
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())

let bench: ChainBench

beforeEach(async () => {
  bench = await openChainBench()
})

async function issue(fields: Fields) {
  const { status, body, text } = await bench.send(fields)
  if (status !== 200) throw new Error(text)
  const token = body['access_token'] as string
  return { body, header: parseJwt(token).header, claims: claimsOf(token) }
}

describe('a token that names its tool', () => {
  test('is an ordinary call token: the tool is context', async () => {
    const { header, claims } = await issue({ tool: 'refund' })
    expect(header['typ']).toBe('at+jwt')
    expect(claims).toMatchObject({ tool: 'refund' })
    for (const name of ['bind', 'call', 'one_time']) expect(claims).not.toHaveProperty(name)
  })
})

describe.each([
  { door: 'parameters', through: (fields: Fields) => fields },
  { door: 'authorization_details', through: toDetails },
])('through $door', ({ through }) => {
  test('a token is bound to its tool', async () => {
    const { header, claims } = await issue(through({ tool: 'refund', bind: 'tool' }))
    expect(header['typ']).toBe('authsec-call+jwt')
    expect(claims).toMatchObject({ tool: 'refund', bind: ['tool'] })
    expect(claims).not.toHaveProperty('call')
  })

  test('a token is bound to one call, which nobody can read from it', async () => {
    const { header, claims } = await issue(through({ tool: 'refund', call: JSON.stringify(ARGS) }))
    expect(header['typ']).toBe('authsec-call+jwt')
    expect(claims.bind).toEqual(['tool', 'call'])
    expect(matchesCall(claims.call, { aud: BILLING, tool: 'refund', args: ARGS }, sha256)).toBe(true)
    const other = { aud: BILLING, tool: 'refund', args: { ...ARGS, amount: '10.01' } }
    expect(matchesCall(claims.call, other, sha256)).toBe(false)

    const event = (await bench.events()).at(-1)
    expect(event?.details).toMatchObject({ tool: 'refund', bind: ['tool', 'call'] })
    expect(JSON.stringify([claims, event])).not.toContain('in_1')
  })

  test('a token is good for one use and for seconds', async () => {
    const { header, claims } = await issue(through({ one_time: 'true', ttl_seconds: '5' }))
    expect(header['typ']).toBe('authsec-call+jwt')
    expect(claims.one_time).toBe(true)
    expect(claims.exp - claims.iat).toBe(5)
    expect((await bench.events()).at(-1)?.details).toMatchObject({ one_time: true })
  })

  test('a token is good for any use where that is said', async () => {
    const { header, claims } = await issue(through({ one_time: 'false' }))
    expect(header['typ']).toBe('at+jwt')
    expect(claims).not.toHaveProperty('one_time')
  })
})

describe('authorization_details', () => {
  test('are answered with what was granted, without the arguments', async () => {
    const { body, claims } = await issue(toDetails({ tool: 'refund', call: JSON.stringify(ARGS) }))
    expect(body['authorization_details']).toEqual([
      { type: 'authsec_call', tool: 'refund', bind: ['tool', 'call'], call: claims.call, ttl_seconds: 60 },
    ])
  })

  test('are answered with the one use that was granted', async () => {
    const { body } = await issue(toDetails({ one_time: 'true', ttl_seconds: '5' }))
    expect(body['authorization_details']).toEqual([{ type: 'authsec_call', one_time: true, ttl_seconds: 5 }])
  })

  test('say what the parameters leave open', async () => {
    const { claims } = await issue({ ttl_seconds: '30', ...toDetails({ tool: 'refund' }) })
    expect([claims.tool, claims.exp - claims.iat]).toEqual(['refund', 30])
  })

  test('are not answered where nobody sent them', async () => {
    expect((await issue({ tool: 'refund', bind: 'tool' })).body).not.toHaveProperty('authorization_details')
  })
})

test('two tokens for the same call share no hash', async () => {
  const fields = { tool: 'refund', call: JSON.stringify(ARGS) }
  const [one, other] = [await issue(fields), await issue(fields)]
  expect(one.claims.call?.hash).not.toBe(other.claims.call?.hash)
})

test('a binding to the tool may be tightened to the call', async () => {
  const { body } = await issue({ tool: 'refund', bind: 'tool' })
  const { claims } = await issue({
    subject_token: body['access_token'] as string,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    call: JSON.stringify(ARGS),
    one_time: 'true',
  })
  expect(claims).toMatchObject({ tool: 'refund', bind: ['tool', 'call'], one_time: true })
})

describe('an Idempotency-Key', () => {
  test('is the request id of every try: each gets a token of its own and a record of its own', async () => {
    const headers = { 'idempotency-key': '0b1f7a52-5a0e-4d0a-9a8b-1d1f1a1c1e1f' }
    const replies = [await bench.send({}, headers), await bench.send({}, headers)]
    expect(new Set(replies.map(({ body }) => body['access_token'])).size).toBe(2)
    expect(replies.map((reply) => reply.headers.get('x-request-id'))).toEqual(
      Array(2).fill(headers['idempotency-key']),
    )
    const events = (await bench.events()).slice(-2)
    expect(events.map(({ request_id }) => request_id)).toEqual(Array(2).fill(headers['idempotency-key']))
    expect(new Set(events.map(({ jti }) => jti)).size).toBe(2)
  })

  test.each(['short', 'x'.repeat(65), 'two words', 'a,b,c,d,e'])(
    'of another form is refused: %s',
    async (key) => {
      expect(await bench.send({}, { 'idempotency-key': key })).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      })
    },
  )
})

/** The same fields through the other door. */
function toDetails({ tool, bind, call, one_time: oneTime, ttl_seconds: ttl }: Fields): Fields {
  const detail = {
    type: 'authsec_call',
    ...(tool && { tool }),
    ...(bind && { bind: bind.split(' ') }),
    ...(call && { call: JSON.parse(call) }),
    ...(oneTime && { one_time: oneTime === 'true' }),
    ...(ttl && { ttl_seconds: Number(ttl) }),
  }
  return { authorization_details: JSON.stringify([detail]) }
}
