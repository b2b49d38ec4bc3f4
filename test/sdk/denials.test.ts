import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { Denials } from '../../src/sdk/denials.js'
import { createFakeClock, settle } from '../support/fake-clock.js'
import { jsonResponse, oauthError } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }
const other = { ...request, tool: 'other' }

describe('a refusal', () => {
  test.each(['access_denied', 'invalid_scope', 'invalid_target', 'unauthorized_client'])(
    'with %s is remembered for 30 s, for exactly what was asked',
    async (code) => {
      const { authsec, stub, clock, events } = createStubbedClient()
      stub.script('exchange', () => oauthError(400, code, 'no'))
      await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({
        code,
        auditId: 'audit-refusal',
      })
      await clock.advance(29_999)
      await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({
        code,
        message: 'no',
        auditId: 'audit-refusal',
        retryable: false,
        retryAfterMs: 1,
      })
      expect(stub.count('exchange')).toBe(1)
      expect(await authsec.getDelegationToken(other)).toMatchObject({ jti: 'call-1' })
      expect(events).toContainEqual({
        type: 'denial.remembered',
        code,
        auditId: 'audit-refusal',
        forMs: 30_000,
      })
      expect(authsec.stats().denials).toBe(1)
    },
  )

  test('that was mended is noticed when the time is over: denial, then permission fixed', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'access_denied' })
    await clock.advance(30_000)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    expect(authsec.stats().denials).toBe(0)
  })

  test('that was mended is noticed at once by whoever forces a refresh, and by all after that', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'access_denied' })
    expect(await authsec.getDelegationToken({ ...request, forceRefresh: true })).toMatchObject({
      jti: 'call-1',
    })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })

  test('does not survive the base token it was about', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'access_denied' })
    stub.regrant()
    await authsec.getDelegationToken({ forceRefresh: true })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })

  test('of a token for one call is remembered as well', async () => {
    const { authsec, stub } = createStubbedClient()
    const bound = { ...request, tool: 'refund', binding: 'call', call: { id: '1' } } as const
    stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
    await expect(authsec.getDelegationToken(bound)).rejects.toMatchObject({ code: 'access_denied' })
    await expect(authsec.getDelegationToken(bound)).rejects.toMatchObject({ code: 'access_denied' })
    expect(stub.count('exchange')).toBe(1)
  })

  const forTool = { ...request, tool: 'refund' }
  const forUse = { ...forTool, oneTime: true }
  const forCall = (id: string) => ({ ...forTool, binding: 'call', call: { id } }) as const
  test.each([
    { of: 'one call', refused: forCall('1'), others: [forCall('2'), forUse, forTool] },
    { of: 'one use', refused: forUse, others: [forCall('1'), forTool] },
  ])('of a token for $of says nothing about what else the tool asks for', async ({ refused, others }) => {
    const { authsec, stub } = createStubbedClient()
    const alice = authsec.subject(formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-alice' }))
    for (const subject of [undefined, alice]) {
      stub.script('exchange', () => oauthError(403, 'access_denied', 'no'))
      await expect(authsec.getDelegationToken({ ...refused, subject })).rejects.toMatchObject({
        code: 'access_denied',
      })
      for (const asked of others) {
        expect(await authsec.getDelegationToken({ ...asked, subject })).toMatchObject({ fromCache: false })
      }
    }
  })

  test('that an outage, a malformed answer or a client mistake is, is not remembered', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script(
      'exchange',
      () => jsonResponse(500, {}),
      () => new Response('<html>hello</html>'),
      () => oauthError(400, 'invalid_request', 'no such thing'),
    )
    for (const code of ['server_error', 'server_error', 'invalid_request']) {
      await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code })
    }
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })
})

describe('a base token that the server no longer takes', () => {
  const dead = () => oauthError(400, 'invalid_grant', 'the user is not active')

  test('is asked about once more, and not again for 30 s while it is the same', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('exchange', dead, dead)
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'invalid_grant' })
    await expect(authsec.getDelegationToken(other)).rejects.toMatchObject({ code: 'invalid_grant' })
    expect(stub.count('exchange')).toBe(2)
    await clock.advance(30_000)
    expect(await authsec.getDelegationToken(other)).toMatchObject({ jti: 'call-1' })
  })

  test('is replaced at once when there is another', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', dead, dead)
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'invalid_grant' })
    stub.regrant()
    expect(await authsec.getDelegationToken({ forceRefresh: true })).toMatchObject({ jti: 'base-2' })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })

  test('takes exchanges under way along, and those who wait get a token of the new one', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    const gate = stub.hold()
    const waiting = authsec.getDelegationToken(request)
    await settle()
    const exchange = stub.requests.find(({ endpoint }) => endpoint === 'exchange')
    stub.regrant()
    stub.script('pull', stub.answer)
    const forced = authsec.getDelegationToken({ forceRefresh: true })
    await settle()
    gate.release()
    expect(await forced).toMatchObject({ jti: 'base-2' })
    expect(await waiting).toMatchObject({ audience: ['https://billing.example'] })
    expect(exchange?.form.get('subject_token')).not.toBe(stub.requests.at(-1)?.form.get('subject_token'))
    expect(authsec.peek(request)?.jti).toBe((await waiting).jti)
  })
})

describe('Denials', () => {
  const denied = new AuthsecError('access_denied', 'no')

  test('holds twice as long for each repetition, five minutes at most', async () => {
    const clock = createFakeClock()
    const denials = new Denials(clock)
    const times: (number | undefined)[] = []
    for (let round = 0; round < 6; round++) {
      const heldFor = denials.note('a', denied)
      times.push(heldFor)
      await clock.advance(heldFor ?? 0)
      expect(() => denials.assertNone('a')).not.toThrow()
    }
    expect(times).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000])
    denials.forget('a')
    expect(denials.note('a', denied)).toBe(30_000)
  })

  test('forgets the keys of a group alone, and counts only what holds', async () => {
    const clock = createFakeClock()
    const denials = new Denials(clock)
    for (const key of ['u1|a', 'u1|b', 'u2|u1|']) denials.note(key, denied)
    denials.forgetGroup('u1|')
    expect(() => denials.assertNone('u1|a')).not.toThrow()
    expect(() => denials.assertNone('u2|u1|')).toThrow('no')
    expect(denials.size).toBe(1)
    await clock.advance(30_000)
    expect(denials.size).toBe(0)
  })

  test('keeps 500, and lets go what was refused longest ago', () => {
    const denials = new Denials(createFakeClock())
    for (let index = 0; index < 500; index++) denials.note(String(index), denied)
    for (const key of ['0', '500']) denials.note(key, denied)
    expect(denials.size).toBe(500)
    expect(() => denials.assertNone('1')).not.toThrow()
    for (const key of ['0', '2', '500']) expect(() => denials.assertNone(key)).toThrow('no')
  })

  test.each(['network', 'server_error', 'rate_limited', 'invalid_request', 'invalid_grant'] as const)(
    'takes no note of %s',
    (code) => {
      const denials = new Denials(createFakeClock())
      expect(denials.note('a', new AuthsecError(code, 'x'))).toBeUndefined()
      expect(denials.size).toBe(0)
    },
  )
})
