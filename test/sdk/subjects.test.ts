import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { settle } from '../support/fake-clock.js'
import { oauthError, type StubAuthsec } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }

/** A user's session as the stub takes it: it believes `sub`, unless the token says itself that it is forged. */
function session(sub: string, more: object = {}): string {
  return formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub, sid: 'session-1', ...more })
}

const ALICE = session('user-alice')
const NEWER = session('user-alice', { iat: 2 })
const BOB = session('user-bob')

describe('acting for a user', () => {
  test('exchanges that user’s token and needs no delegation', async () => {
    const { authsec, stub } = createStubbedClient()
    const token = await authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) })
    expect(token).toMatchObject({ jti: 'call-1', permissions: ['billing:read'] })
    expect(stub.requests.map(({ endpoint }) => endpoint)).toEqual(['metadata', 'exchange'])
    expect(Object.fromEntries(stub.requests.at(-1)?.form ?? [])).toMatchObject({
      subject_token: ALICE,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    })
  })

  test.each(['at+jwt', 'authsec-call+jwt'])('presents a call token (%s) as an access token', async (typ) => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(formatUnsignedJwt({ alg: 'ES256', typ }, { sub: 'user-alice' }))
    await authsec.getDelegationToken({ ...request, subject })
    expect(stub.requests.at(-1)?.form.get('subject_token_type')).toBe(
      'urn:ietf:params:oauth:token-type:access_token',
    )
  })

  test('costs one exchange for a thousand cold parallel calls, whoever made the subject', async () => {
    const { authsec, stub } = createStubbedClient()
    await Promise.all(
      Array.from({ length: 1_000 }, () =>
        authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) }),
      ),
    )
    expect(stub.count('exchange')).toBe(1)
  })

  test('asks a function for the current token once for all who wait', async () => {
    const { authsec, stub } = createStubbedClient()
    let asked = 0
    const subject = authsec.subject(async () => {
      asked++
      return ALICE
    })
    await Promise.all([1, 2, 3].map(() => authsec.getDelegationToken({ ...request, subject })))
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ fromCache: true })
    expect([asked, stub.count('exchange')]).toEqual([1, 1])
  })

  test('leaves what the function fails with as it is, and remembers nothing of it', async () => {
    const { authsec } = createStubbedClient()
    let isSignedIn = false
    const subject = authsec.subject(async () => {
      if (!isSignedIn) throw new Error('nobody is signed in')
      return ALICE
    })
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toThrow('nobody is signed in')
    isSignedIn = true
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ jti: 'call-1' })
  })

  test.each([undefined, null, 5, ''])('refuses a function that gives %j for the token', async (given) => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(async () => given as never)
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'request_invalid',
      message: "the user's token is not a text with something in it",
    })
    expect(stub.count('exchange')).toBe(0)
  })

  test('waits for a function no longer than for everything else, and sends nothing after that', async () => {
    const { authsec, stub, clock, events } = createStubbedClient()
    let isStuck = true
    const subject = authsec.subject(() => (isStuck ? new Promise(() => {}) : Promise.resolve(ALICE)))
    for (let round = 0; round < 5; round++) {
      const asked = authsec.getDelegationToken({ ...request, subject })
      const ended = expect(asked).rejects.toMatchObject({
        code: 'timed_out',
        message: "the function that gives the user's token took too long",
      })
      await clock.advance(5_000)
      await ended
    }
    expect([stub.count('exchange'), clock.keptAliveBy]).toEqual([0, 0])
    expect(events.map(({ type }) => type)).not.toContain('breaker.opened')
    isStuck = false
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ jti: 'call-1' })
    expect(clock.keptAliveBy).toBe(0)
  })

  test.each<{ why: string; subject: unknown }>([
    { why: 'the token itself', subject: ALICE },
    { why: 'a subject of another client', subject: createStubbedClient().authsec.subject(ALICE) },
    { why: 'null', subject: null },
  ])('refuses $why for a subject', async ({ subject }) => {
    const { authsec, stub } = createStubbedClient()
    const asked = authsec.getDelegationToken({ ...request, subject } as never)
    await expect(asked).rejects.toMatchObject({ code: 'request_invalid' })
    await expect(asked).rejects.not.toThrow(/eyJ/)
    expect(stub.requests).toHaveLength(0)
  })

  test.each<{ why: string; token: unknown }>([
    { why: 'nothing', token: undefined },
    { why: 'an empty text', token: '' },
    { why: 'an object', token: { token: ALICE } },
  ])('refuses $why for a user’s token', ({ token }) => {
    const { authsec } = createStubbedClient()
    expect(() => authsec.subject(token as never)).toThrow(
      expect.objectContaining({ code: 'request_invalid' }),
    )
    expect(() => authsec.subject(ALICE).rotate(token as never)).toThrow(/not a text/)
  })

  test.each([
    { why: 'the server issues none', options: { callTokens: false } },
    { why: 'the transport is pull', options: { transport: 'pull' as const } },
  ])('never falls back to the token of another user where $why', async ({ options }) => {
    const { authsec, stub } = createStubbedClient(options)
    await authsec.getDelegationToken(request)
    const asked = { ...request, subject: authsec.subject(BOB) }
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'exchange_unsupported' })
    expect(authsec.peek(asked)).toBeUndefined()
    expect(stub.count('exchange')).toBe(0)
  })
})

describe('what is cached for a user', () => {
  test('is never another’s: two users one agent', async () => {
    const { authsec, stub } = createStubbedClient()
    const [alice, bob] = [authsec.subject(ALICE), authsec.subject(BOB)]
    const tokens = await Promise.all([
      authsec.getDelegationToken(request),
      authsec.getDelegationToken({ ...request, subject: alice }),
      authsec.getDelegationToken({ ...request, subject: bob }),
    ])
    expect(new Set(tokens.map(({ jti }) => jti)).size).toBe(3)
    expect(readUser(authsec.peek({ ...request, subject: alice }))).toBe('user-alice')
    expect(readUser(authsec.peek({ ...request, subject: bob }))).toBe('user-bob')
    expect(stub.count('exchange')).toBe(3)
  })

  test('is not even shared between sessions: same user two sessions', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) })
    const other = authsec.subject(session('user-alice', { sid: 'session-2' }))
    expect(authsec.peek({ ...request, subject: other })).toBeUndefined()
    await authsec.getDelegationToken({ ...request, subject: other })
    expect(stub.count('exchange')).toBe(2)
  })

  test('stays with its client, and so with its tenant: same user two tenants', async () => {
    const [one, other] = [createStubbedClient(), createStubbedClient()]
    other.stub.bend.metadata = (body) => Object.assign(body, { authsec_tenant: 'another tenant' })
    await one.authsec.getDelegationToken({ ...request, subject: one.authsec.subject(ALICE) })
    await other.authsec.getDelegationToken({ ...request, subject: other.authsec.subject(ALICE) })
    expect([one.stub.count('exchange'), other.stub.count('exchange')]).toEqual([1, 1])
  })

  test('is not found by a forged token with the victim’s claims', async () => {
    const { authsec } = createStubbedClient()
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) })
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), fc.boolean(), async (text, inSignature) => {
        const claims = { sub: 'user-alice', sid: 'session-1', forged: true, ...(!inSignature && { text }) }
        const signature = Buffer.from(inSignature ? text : 'signature').toString('base64url')
        const forged = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, claims).replace(/[^.]*$/, signature)
        const asked = { ...request, subject: authsec.subject(forged) }
        expect(authsec.peek(asked)).toBeUndefined()
        await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'subject_expired' })
      }),
      { numRuns: 100 },
    )
    expect(authsec.peek({ ...request, subject: authsec.subject(ALICE) })).toBeDefined()
  })

  test('is 64 tokens, of which the oldest goes first and nobody else’s: 65th entry of one subject', async () => {
    const { authsec } = createStubbedClient()
    const [alice, bob] = [authsec.subject(ALICE), authsec.subject(BOB)]
    const asked = (tool: string, subject = alice) => ({ ...request, tool, subject })
    await authsec.getDelegationToken(asked('bobs', bob))
    for (let index = 0; index <= 64; index++) await authsec.getDelegationToken(asked(`t${index}`))
    expect(authsec.peek(asked('t0'))).toBeUndefined()
    expect(authsec.peek(asked('t1'))).toBeDefined()
    expect(authsec.peek(asked('bobs', bob))).toBeDefined()
    expect(authsec.stats()).toMatchObject({ entries: 65, evictions: 1 })
  })

  test('is forgotten once a thousand other users have come since', async () => {
    const { authsec } = createStubbedClient()
    const cached = () => authsec.peek({ ...request, subject: authsec.subject(ALICE) })
    let met = 0
    const meet = (others: number) => {
      for (const until = met + others; met < until; met++) authsec.subject(session(`user-${met}`))
    }
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) })
    meet(999)
    expect(cached()).toBeDefined()
    meet(999)
    expect(cached()).toBeDefined()
    meet(1_000)
    expect(cached()).toBeUndefined()
  })

  test('survives a new base token of the agent', async () => {
    const { authsec, stub } = createStubbedClient()
    const asked = { ...request, subject: authsec.subject(ALICE) }
    await authsec.getDelegationToken(asked)
    await authsec.getDelegationToken()
    stub.regrant()
    await authsec.getDelegationToken({ forceRefresh: true })
    expect(authsec.peek(asked)).toBeDefined()
  })

  test('is renewed behind the callers', async () => {
    const { authsec, clock } = createStubbedClient()
    const asked = { ...request, subject: authsec.subject(ALICE) }
    await authsec.getDelegationToken(asked)
    await clock.advance(45_000)
    expect(await authsec.getDelegationToken(asked)).toMatchObject({ jti: 'call-1' })
    await settle()
    expect(authsec.peek(asked)).toMatchObject({ jti: 'call-2' })
  })
})

describe('rotate', () => {
  test('takes over what is cached once the server has named the same user for exactly that token', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    const [asked, other] = [
      { ...request, subject },
      { ...request, subject, tool: 'other' },
    ]
    await authsec.getDelegationToken(asked)
    await authsec.getDelegationToken(other)
    subject.rotate(NEWER)
    expect(authsec.peek(asked)).toBeUndefined()
    expect(await authsec.getDelegationToken(asked)).toMatchObject({ jti: 'call-3' })
    expect(await authsec.getDelegationToken(asked)).toMatchObject({ jti: 'call-3', fromCache: true })
    expect(await authsec.getDelegationToken(other)).toMatchObject({ jti: 'call-2', fromCache: true })
    expect(stub.count('exchange')).toBe(3)
    // Whoever comes with either of the two tokens finds the same.
    expect(authsec.peek({ ...other, subject: authsec.subject(NEWER) })).toMatchObject({ jti: 'call-2' })
  })

  test('brings what is cached also to who has had the newer token before', async () => {
    const { authsec, stub } = createStubbedClient()
    const [long, other] = [authsec.subject(ALICE), authsec.subject(NEWER)]
    await authsec.getDelegationToken({ ...request, subject: long })
    long.rotate(NEWER)
    const { jti } = await authsec.getDelegationToken({ ...request, subject: long })
    expect(authsec.peek({ ...request, subject: other })).toMatchObject({ jti })
    expect(await authsec.getDelegationToken({ ...request, subject: other })).toMatchObject({ jti })
    expect(stub.count('exchange')).toBe(2)
  })

  test('keeps no more of a user than without it', async () => {
    const { authsec } = createStubbedClient({ cache: { perSubject: 3 } })
    const subject = authsec.subject(ALICE)
    for (let index = 0; index < 10; index++) {
      subject.rotate(session('user-alice', { iat: index }))
      await authsec.getDelegationToken({ ...request, subject, tool: `tool-${index}` })
    }
    expect(authsec.stats()).toMatchObject({ entries: 3, evictions: 7 })
  })

  test('before the first answer leaves nothing behind that keeps the newer token from the cache', async () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    subject.rotate(NEWER)
    const { jti } = await authsec.getDelegationToken({ ...request, subject })
    expect(authsec.peek({ ...request, subject })).toMatchObject({ jti })
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ jti, fromCache: true })
  })

  test('to another user’s token ends once the older one’s user turns out, whatever is cached', async () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    subject.rotate(BOB)
    await authsec.getDelegationToken({ ...request, subject })
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(ALICE) })
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_mismatch',
    })
  })

  test('to a token of another user is the end of the subject, and of nobody’s tokens', async () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    subject.rotate(BOB)
    const asked = authsec.getDelegationToken({ ...request, subject })
    await expect(asked).rejects.toMatchObject({ code: 'subject_mismatch', action: 'sign_in' })
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_mismatch',
    })
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    expect(readUser(authsec.peek({ ...request, subject: authsec.subject(ALICE) }))).toBe('user-alice')
    const bob = await authsec.getDelegationToken({ ...request, subject: authsec.subject(BOB) })
    expect(readUser(bob)).toBe('user-bob')
  })

  test.each([
    { of: 'one call', binding: 'call' as const, call: { id: '1' }, oneTime: false },
    { of: 'one use', oneTime: true },
  ])('to another user’s token brings no token of $of for the wrong user', async ({ of: _, ...narrow }) => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    subject.rotate(BOB)
    const asked = authsec.getDelegationToken({ ...request, subject, tool: 'refund', ...narrow })
    await expect(asked).rejects.toMatchObject({ code: 'subject_mismatch' })
  })

  test('to another user’s token ends there, also where that user’s own subject has asked', async () => {
    const { authsec } = createStubbedClient()
    const [subject, bob] = [authsec.subject(ALICE), authsec.subject(BOB)]
    await authsec.getDelegationToken({ ...request, subject })
    subject.rotate(BOB)
    const own = authsec.getDelegationToken({ ...request, subject: bob })
    const wrong = authsec.getDelegationToken({ ...request, subject })
    await expect(wrong).rejects.toMatchObject({ code: 'subject_mismatch' })
    expect(readUser(await own)).toBe('user-bob')
  })

  test('to another user’s token finds nothing of what that user’s own subject has cached since', async () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    subject.rotate(BOB)
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(BOB) })
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_mismatch',
    })
  })

  test('to a token that is known to be another user’s is noticed without a question', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    await authsec.getDelegationToken({ ...request, subject: authsec.subject(BOB) })
    subject.rotate(BOB)
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_mismatch',
    })
    expect(stub.count('exchange')).toBe(2)
  })

  test('to a forged token finds nothing', async () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    subject.rotate(session('user-alice', { forged: true }))
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_expired',
    })
    subject.rotate(ALICE)
    expect(authsec.peek({ ...request, subject })).toBeDefined()
  })

  test('while a token is fetched leaves that to those who wait: rotation during flight', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    const gate = stub.hold()
    const waiting = authsec.getDelegationToken({ ...request, subject })
    await settle()
    subject.rotate(BOB)
    gate.release()
    expect(readUser(await waiting)).toBe('user-alice')
    expect(authsec.peek({ ...request, subject: authsec.subject(BOB) })).toBeUndefined()
    // What Alice's token brought stays hers; whose the newer token is had not been asked when it was rotated.
    const next = await authsec.getDelegationToken({ ...request, subject }).catch((error: unknown) => error)
    expect(readUser(next) ?? next).toMatchObject({ code: 'subject_mismatch' })
  })

  test('by a function is noticed at the next question, with the same care', async () => {
    const { authsec, clock } = createStubbedClient()
    let current = ALICE
    const subject = authsec.subject(async () => current)
    await authsec.getDelegationToken({ ...request, subject })
    await authsec.getDelegationToken({ ...request, subject, tool: 'other' })
    current = NEWER
    await clock.advance(45_000)
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ jti: 'call-1' })
    await settle()
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ jti: 'call-3' })
    expect(authsec.peek({ ...request, subject, tool: 'other' })).toMatchObject({ jti: 'call-2' })
    current = BOB
    await clock.advance(45_000)
    await authsec.getDelegationToken({ ...request, subject }).catch(() => undefined)
    await settle()
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_mismatch',
    })
  })
})

describe('revokeSubject', () => {
  test('forgets everything of this user and of no other', async () => {
    const { authsec, events } = createStubbedClient()
    const [alice, bob] = [authsec.subject(ALICE), authsec.subject(BOB)]
    await authsec.getDelegationToken({ ...request, subject: alice })
    await authsec.getDelegationToken({ ...request, subject: bob })
    authsec.revokeSubject(alice)
    expect(authsec.peek({ ...request, subject: alice })).toBeUndefined()
    expect(authsec.peek({ ...request, subject: bob })).toBeDefined()
    expect(events.at(-1)).toEqual({ type: 'subject.revoked' })
  })

  test('while a token is fetched answers those who wait and keeps nothing: revoke during flight', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    const gate = stub.hold()
    const waiting = authsec.getDelegationToken({ ...request, subject })
    await settle()
    authsec.revokeSubject(subject)
    gate.release()
    expect(await waiting).toMatchObject({ fromCache: false })
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
  })
})

describe('what the server refuses to a user’s token', () => {
  const denied = () => oauthError(403, 'access_denied', 'not this')

  test('is asked again with the newer one of the user', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    stub.script('exchange', denied)
    const asked = { ...request, subject, tool: 'a' }
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'access_denied' })
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'access_denied' })
    expect(stub.count('exchange')).toBe(2)
    subject.rotate(NEWER)
    await authsec.getDelegationToken({ ...request, subject })
    expect(readUser(await authsec.getDelegationToken(asked))).toBe('user-alice')
  })

  test('takes nothing away that the newer one was given meanwhile', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    const late = answerLate(stub)
    const asked = { ...request, subject, tool: 'a' }
    const waiting = authsec.getDelegationToken(asked)
    await settle()
    subject.rotate(NEWER)
    await authsec.getDelegationToken({ ...request, subject })
    const { jti } = await authsec.getDelegationToken(asked)
    late(denied())
    await expect(waiting).rejects.toMatchObject({ code: 'access_denied' })
    expect(await authsec.getDelegationToken(asked)).toMatchObject({ jti, fromCache: true })
  })
})

describe('a user’s token that the server no longer takes', () => {
  const dead = () => oauthError(400, 'invalid_grant', 'the session has ended')

  test('takes all its tokens along and is not asked with for five minutes', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    stub.script('exchange', dead)
    await expect(authsec.getDelegationToken({ ...request, subject, tool: 'other' })).rejects.toMatchObject({
      code: 'subject_expired',
      message: 'the session has ended',
      action: 'sign_in',
      auditId: 'audit-refusal',
    })
    expect(authsec.peek({ ...request, subject })).toBeUndefined()
    await clock.advance(299_999)
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_expired',
    })
    expect([stub.count('exchange'), stub.count('pull')]).toEqual([2, 0])
    await clock.advance(1)
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ fromCache: false })
  })

  test('is the end of that token alone: a newer one of the user finds every door open', async () => {
    const { authsec, stub } = createStubbedClient()
    const [subject, older] = [authsec.subject(ALICE), authsec.subject(ALICE)]
    await authsec.getDelegationToken({ ...request, subject })
    stub.script('exchange', dead)
    const ended = { code: 'subject_expired' }
    await expect(authsec.getDelegationToken({ ...request, subject, tool: 'a' })).rejects.toMatchObject(ended)
    subject.rotate(NEWER)
    for (const tool of ['a', 'b', 'b']) {
      expect(readUser(await authsec.getDelegationToken({ ...request, subject, tool }))).toBe('user-alice')
    }
    expect(stub.count('exchange')).toBe(4)
    // Nor does what the newer one brought open any to the dead one.
    expect(authsec.peek({ ...request, subject: older, tool: 'b' })).toBeUndefined()
    await expect(authsec.getDelegationToken({ ...request, subject: older, tool: 'b' })).rejects.toMatchObject(
      ended,
    )
  })

  test('is the end of that token alone, also where a function gives the newer one', async () => {
    const { authsec, stub } = createStubbedClient()
    let current = ALICE
    const subject = authsec.subject(async () => current)
    await authsec.getDelegationToken({ ...request, subject })
    stub.script('exchange', dead)
    await authsec.getDelegationToken({ ...request, subject, tool: 'a' }).catch(() => undefined)
    current = NEWER
    for (const tool of ['a', 'b', 'c']) {
      expect(readUser(await authsec.getDelegationToken({ ...request, subject, tool }))).toBe('user-alice')
    }
  })

  test('is buried late without the newer one that works already', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...request, subject })
    const late = answerLate(stub)
    const waiting = authsec.getDelegationToken({ ...request, subject, tool: 'a' })
    await settle()
    subject.rotate(NEWER)
    await authsec.getDelegationToken({ ...request, subject, tool: 'b' })
    // The same question of the newer token waits for no answer to the older one.
    expect(await authsec.getDelegationToken({ ...request, subject, tool: 'a' })).toMatchObject({
      jti: 'call-3',
    })
    late(dead())
    await expect(waiting).rejects.toMatchObject({ code: 'subject_expired' })
    for (const tool of ['a', 'b']) {
      const asked = { ...request, subject: authsec.subject(NEWER), tool }
      expect(await authsec.getDelegationToken(asked)).toMatchObject({ fromCache: true })
    }
    expect(stub.count('exchange')).toBe(4)
  })

  test('is forgotten when the subject is rotated, and when it is revoked', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    stub.script('exchange', dead, dead)
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_expired',
    })
    subject.rotate(session('user-alice', { iat: 3 }))
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: 'subject_expired',
    })
    authsec.revokeSubject(subject)
    expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ fromCache: false })
  })
})

describe('a subject', () => {
  test('shows nothing of the user’s token', () => {
    const { authsec } = createStubbedClient()
    const subject = authsec.subject(ALICE)
    const shown = [inspect(subject, { showHidden: true, depth: null }), JSON.stringify({ subject })]
    shown.push(JSON.stringify(structuredCloneOrNothing(subject)))
    expect(shown.join()).toContain('redacted')
    expect(shown.join()).not.toMatch(/eyJ|alice/)
    expect(() => `${subject}`).toThrow(/not text/)
    expect(Reflect.ownKeys(subject)).toEqual([])
  })
})

test('one user’s token is never in another’s call, whatever is interleaved', async () => {
  const users = ['a', 'b', 'c']
  const step = fc.oneof(
    fc.record({
      do: fc.constant('ask' as const),
      user: fc.constantFrom(...users),
      tool: fc.constantFrom('x', 'y'),
    }),
    fc.record({ do: fc.constant('rotate' as const), user: fc.constantFrom(...users), to: fc.nat(2) }),
    fc.record({ do: fc.constant('revoke' as const), user: fc.constantFrom(...users) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
    fc.record({ do: fc.constant('refuse' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { authsec, stub, clock } = createStubbedClient({ http: { maxAttempts: 1 } })
      const subjects = new Map(users.map((user) => [user, authsec.subject(session(user))]))
      const answers: Promise<void>[] = []
      let isOver = false
      for (const next of steps) {
        if (next.do === 'wait') await clock.advance(next.ms)
        if (next.do === 'refuse') {
          stub.script('exchange', (asked) =>
            isOver ? stub.answer(asked) : oauthError(400, 'invalid_grant', 'no'),
          )
        }
        const subject = 'user' in next ? subjects.get(next.user) : undefined
        if (subject === undefined) continue
        if (next.do === 'rotate') subject.rotate(session(next.user, { iat: next.to }))
        if (next.do === 'revoke') authsec.revokeSubject(subject)
        if (next.do === 'ask') {
          const asked = authsec.getDelegationToken({ ...request, tool: next.tool, subject })
          answers.push(
            asked.then(
              (token) => expect(readUser(token)).toBe(next.user),
              (error: unknown) => expect(error).toMatchObject({ code: 'subject_expired' }),
            ),
          )
        }
      }
      await Promise.all(answers)
      // Whatever became of the tokens before, whoever signs in again is served, and from the cache the second time.
      isOver = true
      for (const [user, subject] of subjects) {
        subject.rotate(session(user, { iat: 3 }))
        expect(readUser(await authsec.getDelegationToken({ ...request, subject }))).toBe(user)
        expect(await authsec.getDelegationToken({ ...request, subject })).toMatchObject({ fromCache: true })
      }
      await authsec.close()
    }),
    { numRuns: 150 },
  )
})

/** Lets the next exchange wait for the answer that is given here. */
function answerLate(stub: StubAuthsec): (answer: Response) => void {
  let answer: (response: Response) => void = () => undefined
  const late = new Promise<Response>((resolve) => {
    answer = resolve
  })
  stub.script('exchange', () => late)
  return (response) => answer(response)
}

/** For whom a token is, as the API would read it. */
function readUser(token: unknown): string | undefined {
  if (typeof token !== 'object' || token === null || !('reveal' in token)) return undefined
  const jwt = (token as { reveal(): string }).reveal()
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()).sub
}

function structuredCloneOrNothing(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch {
    return 'nothing'
  }
}
