import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createMemoryReplayStore,
  createVerifier,
  type ReplayStore,
  type VerifierOptions,
  type VerifyEvent,
} from '../../src/verify/index.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { answer, noConnection, stubServer } from '../support/stub-server.js'
import {
  BILLING,
  CALL_CLAIMS,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBase,
  signCall,
} from '../support/token-issuer.js'

const CONSUME = 'POST /oauth/consume'
const INTROSPECT = 'POST /oauth/introspect'
const client = { clientId: 'billing-api', credentials: { clientSecret: 's3cret' } }
const oneTime = (claims: object = {}) => signCall({ one_time: true, ...claims }, { typ: 'authsec-call+jwt' })
const used = { consumed: true, jti: 'call-1' }

/** A verifier of a stub server that answers what the verifier asks it about single tokens. */
function openVerifier(routes: Record<string, object>, options: Partial<VerifierOptions> = {}) {
  const events: VerifyEvent[] = []
  const server = stubServer({ ...issuerRoutes(), ...routes })
  const verifier = createVerifier({
    serverUrl: ISSUER,
    audience: BILLING,
    client,
    fetch: server.fetch,
    clock: () => ISSUED_AT,
    onEvent: (event) => events.push(event),
    ...options,
  })
  const asked = (route: string) => server.calls.filter(({ method, path }) => `${method} ${path}` === route)
  return { verifier, asked, alarms: () => events.filter(({ type }) => type !== 'keys.loaded') }
}

describe('a one-time token', () => {
  const inMemory = () => createMemoryReplayStore({ singleProcess: true, clock: () => ISSUED_AT })

  test('is accepted once', async () => {
    const verifier = verifyCalls({ replay: inMemory() })
    await expect(verifier.verify(oneTime(), { oneTime: true })).resolves.toMatchObject({
      user: { id: 'alice' },
    })
    await expect(verifier.verify(oneTime())).rejects.toMatchObject({
      code: 'replayed',
      message: 'the token has been used before',
      retryable: false,
    })
    expect(() => verifier.verifySync(oneTime())).toThrow(expect.objectContaining({ code: 'replayed' }))
    expect(verifier.verifySync(oneTime({ jti: 'call-2' }))).toMatchObject({ user: { id: 'alice' } })
  })

  test('is accepted once of a hundred requests at once', async () => {
    const verifier = verifyCalls({ replay: inMemory() })
    const token = oneTime()
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => verifier.verify(token)))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('is accepted once by two verifiers that share a store', async () => {
    const replay = inMemory()
    await verifyCalls({ replay }).verify(oneTime())
    await expect(verifyCalls({ replay }).verify(oneTime())).rejects.toMatchObject({ code: 'replayed' })
  })

  test('is not used up by a request that is refused for another reason', async () => {
    const verifier = verifyCalls({ replay: inMemory() })
    await expect(verifier.verify(oneTime(), { permissions: ['orders:read'] })).rejects.toMatchObject({
      code: 'permission_missing',
    })
    await expect(verifier.verify(oneTime(), { tool: 'refund' })).rejects.toMatchObject({
      code: 'tool_mismatch',
    })
    await expect(verifier.verify(oneTime())).resolves.toBeDefined()
  })

  test('has no tolerance after its expiry unless one is given', async () => {
    const clock = () => ISSUED_AT + 60_000
    const late = verifyCalls({ clock, replay: inMemory() })
    await expect(late.verify(oneTime())).rejects.toMatchObject({ code: 'token_expired' })
    await expect(late.verify(signCall())).resolves.toBeDefined()
    const tolerant = verifyCalls({ clock, replay: inMemory(), clockToleranceSeconds: 5 })
    await expect(tolerant.verify(oneTime())).resolves.toBeDefined()
  })

  test('is remembered by its id and issuer until nobody can take it for valid', async () => {
    const asked: [string, number][] = []
    const replay: ReplayStore = { add: (...use) => asked.push(use) > 0 }
    await verifyCalls({ replay }).verify(oneTime())
    await verifyCalls({ replay, clockToleranceSeconds: 3 }).verify(oneTime())
    expect(asked).toEqual([
      [`call-1|${ISSUER}`, 60 + 30],
      [`call-1|${ISSUER}`, 60 + 3 + 30],
    ])
  })

  test.each<{ what: string; add: ReplayStore['add'] }>([
    { what: 'rejects', add: async () => Promise.reject(new Error('connection lost')) },
    {
      what: 'throws',
      add() {
        throw new Error('connection lost')
      },
    },
  ])('is not accepted while its store $what, and an event says so', async ({ add }) => {
    const events: VerifyEvent[] = []
    const onEvent = (event: VerifyEvent) => events.push(event)
    const verifier = verifyCalls({ replay: { add }, onEvent })
    const unavailable = {
      code: 'temporarily_unavailable',
      message: 'nobody can tell whether the token may still be used',
      retryable: true,
    }
    await expect(verifier.verify(oneTime())).rejects.toMatchObject(unavailable)
    expect(events).toEqual([{ type: 'replay.unavailable', jti: 'call-1', code: 'temporarily_unavailable' }])
  })

  test('is not accepted by a store in memory that throws, not even without waiting', () => {
    const events: VerifyEvent[] = []
    const replay = createMemoryReplayStore({ singleProcess: true, entries: 1, clock: () => ISSUED_AT })
    const verifier = verifyCalls({ replay, onEvent: (event) => events.push(event) })
    verifier.verifySync(oneTime())
    expect(() => verifier.verifySync(oneTime({ jti: 'call-2' }))).toThrow(
      expect.objectContaining({ code: 'temporarily_unavailable' }),
    )
    expect(events).toMatchObject([{ type: 'replay.unavailable', jti: 'call-2' }])
  })

  test.each(['OK', 1, undefined, null, {}])('is not accepted by a store that answers %j', async (says) => {
    const replay = { add: () => says as unknown as boolean }
    await expect(verifyCalls({ replay }).verify(oneTime())).rejects.toMatchObject({ code: 'replayed' })
  })

  test('is asked for by no route of a verifier that counts nothing', async () => {
    const expected = { oneTime: true } as const
    const misconfigured = {
      code: 'configuration',
      message: 'nobody remembers which one-time tokens were used',
    }
    await expect(verifyCalls().verify(signCall(), expected)).rejects.toMatchObject(misconfigured)
    expect(() => verifyCalls({ replay: false }).assertExpectation(expected)).toThrow(
      expect.objectContaining(misconfigured),
    )
  })
})

describe('a one-time token that the server uses up', () => {
  const replay = 'server'

  test('is sent to it by the client that owns the resource, once all else holds', async () => {
    const { verifier, asked } = openVerifier({ [CONSUME]: used }, { replay })
    const token = oneTime()
    await expect(verifier.verify(token, { permissions: ['orders:read'] })).rejects.toBeDefined()
    expect(asked(CONSUME)).toEqual([])
    await verifier.verify(token, { oneTime: true })
    const [{ body, headers } = { body: '', headers: new Headers() }] = asked(CONSUME)
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({ client_id: 'billing-api', token })
    expect(headers.get('authorization')).toBe(`Basic ${btoa('billing-api:s3cret')}`)
  })

  test('costs no question when the token is for any number of uses', async () => {
    const { verifier, asked } = openVerifier({ [CONSUME]: used }, { replay })
    await verifier.verify(signCall())
    expect(asked(CONSUME)).toEqual([])
  })

  test.each([
    { why: 'was used before', served: answer(409, { error: 'replayed' }), code: 'replayed' },
    { why: 'is dead', served: answer(400, { error: 'invalid_grant' }), code: 'token_inactive' },
    { why: 'is none of the API', served: answer(403, { error: 'access_denied' }), code: 'configuration' },
    { why: 'is sent by a stranger', served: answer(401, { error: 'invalid_client' }), code: 'configuration' },
    { why: 'is sent where nobody counts', served: answer(404, { error: 'no' }), code: 'configuration' },
    { why: 'is not said to be used up', served: {}, code: 'replayed' },
  ])('is refused when it $why', async ({ served, code }) => {
    const { verifier, alarms } = openVerifier({ [CONSUME]: served }, { replay })
    await expect(verifier.verify(oneTime())).rejects.toMatchObject({ code, retryable: false })
    expect(alarms()).toEqual([])
  })

  test.each([
    { why: 'is down', served: noConnection(), code: 'network' },
    { why: 'fails', served: answer(500, {}), code: 'server_error' },
    { why: 'is overloaded', served: answer(429, {}), code: 'rate_limited' },
  ])('is not accepted while the server $why, and an event says so', async ({ served, code }) => {
    const { verifier, asked, alarms } = openVerifier({ [CONSUME]: served }, { replay })
    await expect(verifier.verify(oneTime())).rejects.toMatchObject({ code, retryable: true })
    expect(alarms()).toEqual([{ type: 'replay.unavailable', jti: 'call-1', code }])
    expect(asked(CONSUME)).toHaveLength(1)
  })
})

describe('a token whose life the server is asked about', () => {
  const alive = { active: true, ...CALL_CLAIMS }
  const introspect = true

  test('is accepted while it lives, and asked about for each call', async () => {
    const { verifier, asked } = openVerifier({ [INTROSPECT]: alive }, { introspect })
    const token = signCall()
    await verifier.verify(token)
    await verifier.verify(token)
    expect(asked(INTROSPECT)).toHaveLength(2)
    expect(new URLSearchParams(asked(INTROSPECT)[0]?.body).get('token')).toBe(token)
  })

  test('is refused from the moment of its revocation on, also when it was accepted before', async () => {
    const { verifier } = openVerifier({ [INTROSPECT]: [alive, { active: false }] }, { introspect })
    const token = signCall()
    await verifier.verify(token)
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: 'token_inactive',
      message: 'the token is no longer alive',
    })
  })

  test('is worth what it is worth now, and never more than it says', async () => {
    const permissions = ['billing:read', 'billing:refund']
    const { verifier } = openVerifier({ [INTROSPECT]: { ...alive, permissions } }, { introspect })
    const delegation = await verifier.verify(signCall())
    expect([...delegation.permissions]).toEqual(['billing:read'])
    expect(delegation.claims).toMatchObject({ scope: 'billing:read', permissions: ['billing:read'] })
    await expect(verifier.verify(signCall(), { permissions: ['profile:read'] })).rejects.toMatchObject({
      code: 'permission_missing',
    })
  })

  test('is worth what it says where the server says nothing of that', async () => {
    const { verifier } = openVerifier({ [INTROSPECT]: { active: true } }, { introspect })
    const { permissions } = await verifier.verify(signCall())
    expect([...permissions]).toEqual(CALL_CLAIMS.permissions)
  })

  test('may be chosen by its claims', async () => {
    const chosen = openVerifier(
      { [INTROSPECT]: { active: false } },
      { introspect: ({ permissions }) => permissions.includes('billing:refund') },
    )
    await expect(chosen.verifier.verify(signCall())).resolves.toBeDefined()
    const token = signCall({ permissions: ['billing:refund'], scope: 'billing:refund' })
    await expect(chosen.verifier.verify(token)).rejects.toMatchObject({ code: 'token_inactive' })
    expect(chosen.asked(INTROSPECT)).toHaveLength(1)
  })

  test('is not used up when it is dead or nobody knows', async () => {
    const routes = { [INTROSPECT]: [{ active: false }, answer(503, {}), alive], [CONSUME]: used }
    const { verifier, asked } = openVerifier(routes, { introspect, replay: 'server' })
    await expect(verifier.verify(oneTime())).rejects.toMatchObject({ code: 'token_inactive' })
    await expect(verifier.verify(oneTime())).rejects.toMatchObject({ code: 'server_error' })
    expect(asked(CONSUME)).toEqual([])
    await expect(verifier.verify(oneTime())).resolves.toBeDefined()
  })

  test.each([
    { why: 'is down', served: noConnection(), code: 'network' },
    { why: 'answers with a page', served: new Response('<html>', { status: 200 }), code: 'server_error' },
  ])('is not accepted while the server $why, and an event says so', async ({ served, code }) => {
    const { verifier, alarms } = openVerifier({ [INTROSPECT]: served }, { introspect })
    await expect(verifier.verify(signCall())).rejects.toMatchObject({ code, retryable: true })
    expect(alarms()).toEqual([{ type: 'introspection.unavailable', jti: 'call-1', code }])
  })

  test.each([
    { why: 'does not know the API', served: answer(401, { error: 'invalid_client' }) },
    { why: 'does not understand the question', served: answer(400, { error: 'invalid_request' }) },
    { why: 'has no such endpoint', served: answer(404, { error: 'not found' }) },
  ])('is a fault of the API when the server $why', async ({ served }) => {
    const { verifier } = openVerifier({ [INTROSPECT]: served }, { introspect })
    await expect(verifier.verify(signCall())).rejects.toMatchObject({
      code: 'configuration',
      hint: expect.stringContaining('owner of its resource'),
    })
  })
})

describe('verifySync', () => {
  test.each<{ what: string; options: Partial<VerifierOptions> }>([
    { what: 'introspection', options: { introspect: true } },
    { what: 'the server', options: { replay: 'server' } },
    { what: 'its replay store', options: { replay: { add: async () => true } } },
  ])('refuses to work at all where it had to wait for $what', async ({ what, options }) => {
    const { verifier } = openVerifier({}, options)
    await verifier.warm()
    expect(() => verifier.verifySync(signCall())).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: `this verifier has to wait for ${what}`,
        hint: 'Use verify(), which waits.',
      }),
    )
  })
})

describe('a use of which the server is told', () => {
  const USE = 'POST /audit/use'
  const call = (jti: string) => signCall({ jti })

  test('is not waited for, and beyond a hundred at once nothing is sent', async () => {
    const server = stubServer(issuerRoutes())
    let sent = 0
    const fetch: typeof server.fetch = (input, init) => {
      if (!new Request(input as string, init).url.endsWith('/audit/use')) return server.fetch(input, init)
      sent++
      return new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    }
    const { verifier, alarms } = openVerifier({}, { useReceipts: true, fetch })
    for (let at = 0; at < 101; at++) await verifier.verify(call(`call-${at}`))
    expect(alarms()).toEqual([{ type: 'receipt.lost', jti: 'call-100', code: 'temporarily_unavailable' }])
    await expect.poll(() => sent).toBe(100)
  })

  test('is neither of a base token nor one that the server has counted itself', async () => {
    const { verifier, asked } = openVerifier(
      { [CONSUME]: used, [USE]: {} },
      { useReceipts: true, replay: 'server', profiles: ['call', 'base'] },
    )
    await verifier.verify(signBase())
    await verifier.verify(oneTime({ jti: 'counted' }))
    await verifier.verify(call('told'))
    await expect.poll(() => asked(USE).length).toBe(1)
    const jtis = asked(USE).map(({ body }) => decodeJti(new URLSearchParams(body).get('token') ?? ''))
    expect([jtis, asked(CONSUME).length]).toEqual([['told'], 1])
  })

  test('goes on where the server cannot be told', async () => {
    const { verifier, alarms } = openVerifier({ [USE]: noConnection }, { useReceipts: true })
    await expect(verifier.verify(call('call-1'))).resolves.toBeDefined()
    await expect.poll(alarms).toEqual([{ type: 'receipt.lost', jti: 'call-1', code: 'network' }])
  })

  test('needs an API that is known to the server', () => {
    expect(() => openVerifier({}, { useReceipts: true, client: undefined })).toThrow('"useReceipts"')
  })
})

test('the server has five seconds for its answer about a token', async () => {
  const server = stubServer(issuerRoutes())
  const fetch: typeof server.fetch = (input, init) => {
    if (!String(input).endsWith('/oauth/introspect')) return server.fetch(input, init)
    return new Promise((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
    })
  }
  const { verifier } = openVerifier({}, { introspect: true, fetch })
  await verifier.warm()
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let outcome = 'open'
  const answered = verifier.verify(signCall()).catch(({ code }) => {
    outcome = code
  })
  await vi.advanceTimersByTimeAsync(4_999)
  expect(outcome).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  await answered
  expect(outcome).toBe('timed_out')
})

function decodeJti(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).jti
}
