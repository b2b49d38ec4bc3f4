import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { ApprovalRequest } from '../../src/sdk/index.js'
import { settle } from '../support/fake-clock.js'
import { jsonResponse, oauthError, refuseConnection, type StubAuthsec } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const BILLING = 'https://billing.example'
const question = { permissions: ['billing:refund'], message: 'Refund 120.00 EUR to Alice?' }
const ALICE = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-alice' })

function lastForm(stub: StubAuthsec, endpoint: string): Record<string, string> {
  const found = stub.requests.findLast((request) => request.endpoint === endpoint)
  return Object.fromEntries(found?.form ?? [])
}

describe('a person who is asked for approval', () => {
  test('is the one who has delegated, reads the message, and is asked for no more than is needed', async () => {
    const { authsec, stub, clock, events } = createStubbedClient()
    const approval = await authsec.requestApproval({ ...question, expiresInSeconds: 60 })
    expect(lastForm(stub, 'approval')).toEqual({
      client_id: expect.any(String),
      login_hint: 'user-alice',
      scope: 'billing:refund',
      binding_message: question.message,
      requested_expiry: '60',
    })
    expect(approval.expiresAt.getTime()).toBe(clock.wall() + 300_000)
    expect(events.at(-1)).toEqual({ type: 'approval.requested', expiresAt: approval.expiresAt })
  })

  test('is asked what the caller has said, and not what becomes of it meanwhile', async () => {
    const { authsec, stub } = createStubbedClient()
    const asked = { ...question, permissions: [...question.permissions] }
    const asking = authsec.requestApproval(asked)
    asked.permissions.push('billing:admin')
    asked.message = 'Refund everything to everybody?'
    await asking
    expect(lastForm(stub, 'approval')).toMatchObject({
      scope: 'billing:refund',
      binding_message: question.message,
    })
  })

  test.each<{ where: string; asked: object }>([
    { where: 'are inherited', asked: Object.create({ ...question, user: 'boss@example.com' }) },
    {
      where: 'are answered by a function',
      asked: new (class {
        permissions = question.permissions
        message = question.message
        get user() {
          return 'boss@example.com'
        }
      })(),
    },
  ])('is asked what stands in members that $where', async ({ asked }) => {
    const { authsec, stub } = createStubbedClient()
    await authsec.requestApproval(asked as ApprovalRequest)
    expect(lastForm(stub, 'approval')).toMatchObject({
      login_hint: 'boss@example.com',
      binding_message: question.message,
    })
  })

  test('is asked nothing where an unknown member is inherited', async () => {
    const { authsec, stub } = createStubbedClient()
    const asked: ApprovalRequest = Object.assign(Object.create({ users: 'boss@example.com' }), question)
    await expect(authsec.requestApproval(asked)).rejects.toMatchObject({
      code: 'request_invalid',
      message: '"users" is not a member of a request for approval',
      hint: 'Did you mean user?',
    })
    expect(stub.requests).toEqual([])
  })

  test('is asked once where the answer of the server is lost, and under a key that no other question has', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('approval', refuseConnection, () => jsonResponse(503, {}))
    const asking = authsec.requestApproval(question)
    await clock.advance(1_000)
    await asking
    await authsec.requestApproval(question)
    const keys = stub.requests
      .filter(({ endpoint }) => endpoint === 'approval')
      .map(({ headers }) => headers.get('idempotency-key'))
    const [one, , , other] = keys
    expect(keys).toEqual([one, one, one, other])
    expect([one, other]).toEqual([expect.stringMatching(/^[\w-]{36}$/), expect.stringMatching(/^[\w-]{36}$/)])
    expect(other).not.toBe(one)
  })

  test('says yes, and is the subject of a token', async () => {
    const { authsec, stub, clock, events } = createStubbedClient()
    const answer = (await authsec.requestApproval(question)).settled()
    await clock.advance(5_000)
    stub.person.answers = 'yes'
    await clock.advance(5_000)
    const subject = await answer
    expect(stub.count('poll')).toBe(3)
    expect(events.at(-1)).toEqual({ type: 'approval.settled', outcome: 'approved' })

    const token = await authsec.getDelegationToken({
      audience: BILLING,
      permissions: ['billing:refund'],
      subject,
    })
    expect(token.permissions).toEqual(['billing:refund'])
    expect(lastForm(stub, 'exchange')['subject_token']).toBe(stub.issued.at(-2))
  })

  test('says no', async () => {
    const { authsec, stub, events } = createStubbedClient()
    stub.person.answers = 'no'
    const approval = await authsec.requestApproval(question)
    await expect(approval.settled()).rejects.toMatchObject({
      code: 'approval_rejected',
      action: 'stop',
      modelMessage: expect.stringContaining('has said no'),
    })
    await expect(approval.settled()).rejects.toMatchObject({ code: 'approval_rejected' })
    expect(events.at(-1)).toEqual({ type: 'approval.settled', outcome: 'rejected' })
    expect(stub.count('poll')).toBe(1)
  })

  test.each([
    { who: 'by whom the program names', asked: { user: 'boss@example.com' }, hint: 'boss@example.com' },
    {
      who: 'by the same name where both are named',
      asked: { user: 'alice@example.com' },
      hint: 'alice@example.com',
    },
  ])('can be named $who', async ({ asked, hint }) => {
    const { authsec, stub } = createStubbedClient()
    await authsec.requestApproval({ ...question, ...asked })
    expect(lastForm(stub, 'approval')['login_hint']).toBe(hint)
  })

  test('is the user of a subject whom the server has named', async () => {
    const { authsec, stub } = createStubbedClient()
    const subject = authsec.subject(formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' }))
    await expect(authsec.requestApproval({ ...question, subject })).rejects.toMatchObject({
      code: 'request_invalid',
    })
    await authsec.getDelegationToken({ audience: BILLING, permissions: ['billing:read'], subject })
    await authsec.requestApproval({ ...question, subject })
    expect(lastForm(stub, 'approval')['login_hint']).toBe('user-bob')
  })

  test('is the user of a subject whom the server names when it is asked for a short token', async () => {
    const { authsec, stub } = createStubbedClient()
    const bob = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })
    const asked = { ...question, audience: BILLING, subject: authsec.subject(async () => bob) }
    await authsec.requestApproval(asked)
    await authsec.requestApproval(asked)
    expect(lastForm(stub, 'exchange')).toMatchObject({
      subject_token: bob,
      resource: BILLING,
      scope: 'billing:refund',
      ttl_seconds: '4',
    })
    expect([stub.count('exchange'), authsec.stats().entries]).toEqual([1, 0])
    expect(lastForm(stub, 'approval')['login_hint']).toBe('user-bob')
  })

  test('may be somebody else than the user of the subject', async () => {
    const { authsec, stub } = createStubbedClient()
    Object.assign(stub.person, { answers: 'yes', userId: 'user-boss' })
    const read = { audience: BILLING, permissions: ['billing:read'] }
    const alice = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...read, subject: alice })
    const asked = { ...question, subject: alice, user: 'boss@example.com' }
    const subject = await (await authsec.requestApproval(asked)).settled()
    const token = await authsec.getDelegationToken({
      audience: BILLING,
      permissions: ['billing:refund'],
      subject,
    })
    expect(token.permissions).toEqual(['billing:refund'])
  })

  test('is nobody where the subject has been given the token of another user', async () => {
    const { authsec, stub } = createStubbedClient()
    const bob = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })
    const asked = { audience: BILLING, permissions: ['billing:read'] }
    const subject = authsec.subject(ALICE)
    await authsec.getDelegationToken({ ...asked, subject })
    subject.rotate(bob)
    await authsec.getDelegationToken({ ...asked, subject: authsec.subject(bob) })
    for (const user of [undefined, 'alice@example.com']) {
      const asking = authsec.requestApproval({ ...question, subject, user })
      await expect(asking).rejects.toMatchObject({ code: 'subject_mismatch' })
    }
    expect(stub.count('approval')).toBe(0)
  })
})

describe('waiting for an answer', () => {
  test('asks at the pace of the server, and slower when told to', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('poll', stub.answer, () => oauthError(400, 'slow_down', 'slower'))
    const gone = new AbortController()
    const answer = (await authsec.requestApproval(question)).settled({ signal: gone.signal })
    answer.catch(() => undefined)
    await clock.advance(5_000)
    expect(stub.count('poll')).toBe(2)
    await clock.advance(9_000)
    expect(stub.count('poll')).toBe(2)
    await clock.advance(1_000)
    expect(stub.count('poll')).toBe(3)
    gone.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    await clock.advance(60_000)
    expect(stub.count('poll')).toBe(3)
    expect(clock.keptAliveBy).toBe(0)
  })

  test.each([0, 1, 4])(
    'asks every five seconds at most, also where the server allows it every %d',
    async (interval) => {
      const { authsec, stub, clock } = createStubbedClient()
      stub.script('approval', () => jsonResponse(200, { auth_req_id: 'a', expires_in: 300, interval }))
      const answer = (await authsec.requestApproval(question)).settled()
      const ended = expect(answer).rejects.toMatchObject({ code: 'closed' })
      await clock.advance(4_999)
      expect(stub.count('poll')).toBe(1)
      await clock.advance(1)
      expect(stub.count('poll')).toBe(2)
      await authsec.close()
      await ended
    },
  )

  test('goes on through an outage, and is over when the time is', async () => {
    const { authsec, stub, clock } = createStubbedClient({ http: { maxAttempts: 1 } })
    stub.script('poll', refuseConnection, () => jsonResponse(503, {}))
    const answer = (await authsec.requestApproval(question)).settled()
    const ended = expect(answer).rejects.toMatchObject({
      code: 'expired_token',
      modelMessage: expect.stringContaining('nobody has approved'),
    })
    await clock.advance(299_000)
    expect(stub.count('poll')).toBeGreaterThan(50)
    await clock.advance(10_000)
    await ended
    expect(clock.keptAliveBy).toBe(0)
  })

  test.each<{ where: string; attempts: number; replies: Parameters<StubAuthsec['script']>[1][] }>([
    { where: 'between two attempts', attempts: 3, replies: [refuseConnection] },
    { where: 'behind a gateway, between two attempts', attempts: 3, replies: [() => jsonResponse(502, {})] },
    { where: 'between two polls', attempts: 1, replies: [refuseConnection] },
    { where: 'behind a gateway, between two polls', attempts: 1, replies: [() => jsonResponse(502, {})] },
  ])(
    'does not say that nobody has answered when the answer is lost $where',
    async ({ attempts, replies }) => {
      const { authsec, stub, clock, events } = createStubbedClient({ http: { maxAttempts: attempts } })
      stub.script('poll', ...replies, () => oauthError(400, 'invalid_grant', 'the code was used'))
      const answer = (await authsec.requestApproval(question)).settled()
      const ended = expect(answer).rejects.toMatchObject({
        code: 'invalid_grant',
        action: 'approve',
        message: 'the answer to the request for approval was lost on its way, whatever it was',
        modelMessage: expect.not.stringContaining('in time'),
      })
      await clock.advance(6_000)
      await ended
      expect(events.at(-1)).toEqual({ type: 'approval.settled', outcome: 'lost' })
    },
  )

  test('does not say that nobody has answered when the last answer is lost', async () => {
    const { authsec, stub, clock, events } = createStubbedClient({ http: { maxAttempts: 1 } })
    stub.script('approval', () => jsonResponse(200, { auth_req_id: 'a', expires_in: 4, interval: 5 }))
    stub.script('poll', refuseConnection)
    const answer = (await authsec.requestApproval(question)).settled()
    const ended = expect(answer).rejects.toMatchObject({ code: 'invalid_grant' })
    await clock.advance(6_000)
    await ended
    expect(events.at(-1)).toEqual({ type: 'approval.settled', outcome: 'lost' })
  })

  test.each([
    { why: 'the server has been heard since', between: () => oauthError(400, 'authorization_pending', 'x') },
    { why: 'the server was only busy', between: () => jsonResponse(429, {}, { 'retry-after': '1' }) },
  ])('says that nobody has answered where $why', async ({ why, between }) => {
    const { authsec, stub, clock, events } = createStubbedClient({ http: { maxAttempts: 1 } })
    if (why.endsWith('since')) stub.script('poll', refuseConnection)
    stub.script('poll', between, () => oauthError(400, 'invalid_grant', 'unknown'))
    const answer = (await authsec.requestApproval(question)).settled()
    const ended = expect(answer).rejects.toMatchObject({ code: 'expired_token' })
    await clock.advance(30_000)
    await ended
    expect(events.at(-1)).toEqual({ type: 'approval.settled', outcome: 'expired' })
  })

  test('is shared by all who wait for the same occasion, and polled once for them', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    const asked: ApprovalRequest = { ...question, id: 'thread-1/call-1' }
    const approvals = await Promise.all([authsec.requestApproval(asked), authsec.requestApproval(asked)])
    const answers = approvals.map((approval) => approval.settled())
    await settle()
    expect([stub.count('approval'), stub.count('poll')]).toEqual([1, 1])
    stub.person.answers = 'yes'
    await clock.advance(5_000)
    const [one, other] = await Promise.all(answers)
    expect(one).toBe(other)
  })

  test.each<{ why: string; other: Partial<ApprovalRequest> }>([
    { why: 'another occasion', other: { id: 'call-2' } },
    { why: 'an occasion without a name', other: { id: undefined } },
    { why: 'other words for it', other: { message: 'Refund 1200.00 EUR to Alice?' } },
    { why: 'another person', other: { user: 'bob@example.com' } },
    { why: 'another API', other: { audience: 'https://profile.example' } },
    { why: 'another permission', other: { permissions: ['billing:read'] } },
  ])('is not shared with $why', async ({ other }) => {
    const { authsec, stub } = createStubbedClient()
    const asked = { ...question, id: 'call-1' }
    await authsec.requestApproval(asked)
    await authsec.requestApproval({ ...asked, ...other })
    expect(stub.count('approval')).toBe(2)
  })

  test('is not shared by two users who have the same approver', async () => {
    const { authsec, stub } = createStubbedClient()
    const tokens = ['user-alice', 'user-bob'].map((sub) =>
      formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub }),
    )
    const asked = { ...question, user: 'boss@example.com', id: 'call-1' }
    for (const token of tokens) await authsec.requestApproval({ ...asked, subject: authsec.subject(token) })
    expect(stub.count('approval')).toBe(2)
  })

  test('is over with the answer: the same occasion is asked about anew', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const asked = { ...question, id: 'call-1' }
    const first = await (await authsec.requestApproval(asked)).settled()
    expect(await (await authsec.requestApproval(asked)).settled()).not.toBe(first)
    expect(stub.count('approval')).toBe(2)
  })

  test('ends with the client', async () => {
    const { authsec } = createStubbedClient()
    const approval = await authsec.requestApproval(question)
    const answer = approval.settled()
    const ended = expect(answer).rejects.toMatchObject({ code: 'closed' })
    await authsec.close()
    await ended
    await expect(approval.settled()).rejects.toMatchObject({ code: 'closed' })
    await expect(authsec.requestApproval(question)).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('what a person has approved', () => {
  test('is of no use when somebody else has answered', async () => {
    const { authsec, stub } = createStubbedClient()
    Object.assign(stub.person, { answers: 'yes', userId: 'user-mallory' })
    const subject = await (await authsec.requestApproval(question)).settled()
    const request = { audience: BILLING, permissions: ['billing:refund'], subject }
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'subject_mismatch' })
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'subject_mismatch' })
  })

  test('answers nobody else from the cache', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.person.answers = 'yes'
    const alice = authsec.subject(ALICE)
    const request = { audience: BILLING, permissions: ['billing:refund'] }
    const approved = await (await authsec.requestApproval({ ...question, user: 'user-alice' })).settled()
    await authsec.getDelegationToken({ ...request, subject: approved })
    expect(authsec.peek({ ...request, subject: alice })).toBeUndefined()
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('shows nothing of the token behind it', async () => {
    const { authsec, stub, events } = createStubbedClient()
    stub.person.answers = 'yes'
    const approval = await authsec.requestApproval(question)
    const subject = await approval.settled()
    const shown = inspect([approval, subject, authsec, events], { depth: 9, showHidden: true, getters: true })
    expect(shown).not.toContain(stub.issued.at(-1))
    expect(shown).not.toContain('approval-1')
  })
})

describe('a request for approval', () => {
  test.each<{ why: string; asked: object; says: RegExp }>([
    { why: 'without permissions', asked: { permissions: [] }, says: /permissions/ },
    { why: 'without a message', asked: { message: ' ' }, says: /message/ },
    { why: 'with a novel', asked: { message: 'x'.repeat(257) }, says: /256/ },
    { why: 'with a person without a name', asked: { user: '' }, says: /user ""/ },
    { why: 'with an occasion without a name', asked: { id: '' }, says: /id ""/ },
    { why: 'for too long', asked: { expiresInSeconds: 301 }, says: /301/ },
    { why: 'with a misspelt member', asked: { persmissions: [] }, says: /"persmissions"/ },
    { why: 'with a member of every object', asked: { toString: 'x' }, says: /"toString"/ },
  ])('is refused $why', async ({ asked, says }) => {
    const { authsec, stub } = createStubbedClient()
    const asking = authsec.requestApproval({ ...question, ...asked } as ApprovalRequest)
    await expect(asking).rejects.toMatchObject({
      code: 'request_invalid',
      message: expect.stringMatching(says),
    })
    expect(stub.requests).toEqual([])
  })

  test('lets nothing in the message move what the person reads', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.requestApproval({ ...question, message: 'Refund 10\u202e.00\u001b[2K EUR' })
    expect(lastForm(stub, 'approval')['binding_message']).not.toMatch(/\p{Cc}|\p{Cf}/u)
  })

  test.each<{ why: string; reply: () => Response; code: string }>([
    {
      why: 'nobody of that name',
      reply: () => oauthError(400, 'unknown_user_id', 'who?'),
      code: 'unknown_user_id',
    },
    {
      why: 'an answer without an id',
      reply: () => jsonResponse(200, { expires_in: 300 }),
      code: 'token_response_invalid',
    },
    {
      why: 'an answer without an end',
      reply: () => jsonResponse(200, { auth_req_id: 'a' }),
      code: 'token_response_invalid',
    },
    {
      why: 'an answer with another pace',
      reply: () => jsonResponse(200, { auth_req_id: 'a', expires_in: 300, interval: 'often' }),
      code: 'token_response_invalid',
    },
  ])('fails with $code for $why', async ({ reply, code }) => {
    const { authsec, stub } = createStubbedClient()
    stub.script('approval', reply)
    await expect(authsec.requestApproval(question)).rejects.toMatchObject({ code })
  })

  test('needs a server that can ask people', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.metadata = (body) => {
      delete body['backchannel_authentication_endpoint']
    }
    await expect(authsec.requestApproval(question)).rejects.toMatchObject({ code: 'approval_unsupported' })
  })

  test('ends with its signal', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.hold()
    const gone = new AbortController()
    const asking = authsec.requestApproval({ ...question, signal: gone.signal })
    const ended = expect(asking).rejects.toMatchObject({ name: 'AbortError' })
    await settle()
    gone.abort()
    await ended
  })
})
