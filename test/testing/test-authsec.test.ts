import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  createTestAuthsec,
  type FaultTarget,
  settle,
  type TestAuthsec,
  type TestAuthsecOptions,
} from '../../src/testing/index.js'
import type { VerifierOptions, VerifyEvent } from '../../src/verify/index.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:read'] }

const opened: TestAuthsec[] = []

async function open(options: TestAuthsecOptions = {}): Promise<TestAuthsec> {
  const created = await createTestAuthsec(options)
  opened.push(created)
  return created
}

function listenForLost(lost: unknown[]): (event: VerifyEvent) => void {
  return (event) => {
    if (event.type === 'receipt.lost') lost.push(event)
  }
}

afterEach(async () => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  for (const each of opened.splice(0)) await each.close()
})

describe('createTestAuthsec', () => {
  test('issues a token that its verifier accepts, and records it', async () => {
    const { authsec, verifier, server } = await open()
    const token = await authsec.getDelegationToken(request)
    const { user, actor, permissions } = await verifier.verify(token.reveal())
    expect(user.id).toBe(await server.userIdOf('alice'))
    expect([actor.clientId, ...permissions]).toEqual([server.clientIdOf('agent'), 'billing:read'])
    expect((await server.readAudit()).map(({ event }) => event.id)).toContain(token.auditId)
    expect(server.issued).toContain(token.reveal())
  })

  test.each(['AUTHSEC_CLIENT_KEY_FILE', 'AUTHSEC_CLIENT_SECRET_FILE'])(
    'is the same where the environment names a file as %s',
    async (variable) => {
      vi.stubEnv(variable, '/nowhere/at-all')
      const { authsec, createClient } = await open()
      await expect(authsec.getDelegationToken(request)).resolves.toMatchObject({ fromCache: false })
      const other = createClient(undefined, { credentials: undefined })
      await expect(other.getDelegationToken(request)).resolves.toMatchObject({ fromCache: false })
    },
  )

  test('needs no timer of the runtime, which a test may have faked', async () => {
    vi.useFakeTimers()
    const { authsec, verifier, server, clock } = await open()
    const token = await authsec.getDelegationToken(request)
    await clock.advance(1_000)
    await expect(verifier.verify(token.reveal())).resolves.toMatchObject({ auditId: token.auditId })
    expect((await server.readAudit()).map(({ event }) => event.id)).toContain(token.auditId)
  })

  test('acts for a user who signs in', async () => {
    const { authsec, verifier, server, signIn } = await open()
    const token = await authsec.getDelegationToken({ ...request, subject: await signIn('bob') })
    expect((await verifier.verify(token.reveal())).user.id).toBe(await server.userIdOf('bob'))
  })

  test('is as the test wants the world to be', async () => {
    const { authsec, createClient, createVerifier, signIn } = await open({
      users: { carol: ['reports:read'] },
      agents: { reader: 'carol', other: undefined },
      policies: [{ permissions: ['reports:read'], resources: ['https://reports.example'], agent: 'reader' }],
    })
    const reports = { audience: 'https://reports.example', permissions: ['reports:read'] }
    const token = await authsec.getDelegationToken(reports)
    expect(await createVerifier('https://reports.example').verify(token.reveal())).toMatchObject({
      profile: 'call',
    })
    const other = createClient('other')
    await expect(other.getDelegationToken(reports)).rejects.toMatchObject({ code: 'no_delegation' })
    const session = await signIn('carol')
    await expect(authsec.getDelegationToken({ ...reports, subject: session })).resolves.toBeDefined()
  })

  test('lets time pass for the server, the client and the API at once', async () => {
    const { authsec, verifier, clock } = await open()
    const first = await authsec.getDelegationToken(request)
    await clock.advance(70_000)
    await expect(verifier.verify(first.reveal())).rejects.toMatchObject({ code: 'token_expired' })
    const second = await authsec.getDelegationToken(request)
    expect(second.jti).not.toBe(first.jti)
    await verifier.verify(second.reveal())
  })

  describe('an API that asks the server', () => {
    test('learns that a token is no longer alive', async () => {
      const { authsec, createVerifier, server } = await open()
      const verifier = createVerifier(BILLING, { introspect: true })
      const token = await authsec.getDelegationToken(request)
      await verifier.verify(token.reveal())
      await server.revokeDelegation('agent')
      await expect(verifier.verify(token.reveal())).rejects.toMatchObject({ code: 'token_inactive' })
    })

    test('lets a token be used once', async () => {
      const { authsec, createVerifier } = await open()
      const verifiers = [1, 2].map(() => createVerifier(BILLING, { replay: 'server' }))
      const token = (await authsec.getDelegationToken({ ...request, oneTime: true })).reveal()
      const [first, second] = verifiers.map((verifier) => verifier.verify(token, { oneTime: true }))
      const outcomes = await Promise.allSettled([first, second])
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      const refused = outcomes.find((outcome) => outcome.status === 'rejected')
      expect(refused?.reason).toMatchObject({ code: 'replayed' })
    })

    test('has it on record that a token was used', async () => {
      const { authsec, createVerifier, server } = await open()
      const token = await authsec.getDelegationToken(request)
      await createVerifier(BILLING, { useReceipts: true }).verify(token.reveal())
      await settle()
      const used = (await server.readAudit()).filter(({ event }) => event.type === 'token.used')
      expect(used).toMatchObject([{ event: { jti: token.jti, actor: { type: 'client' } } }])
    })

    test('is told nothing of the tokens of another API, nor is a client that runs none', async () => {
      const policies = [{ permissions: ['billing:read'], resources: [BILLING, 'https://other.example'] }]
      const { authsec, createVerifier, server } = await open({ policies })
      const token = await authsec.getDelegationToken(request)
      const lost: unknown[] = []
      const receipts = { useReceipts: true, onEvent: listenForLost(lost) }
      const client = { clientId: server.clientIdOf('agent') }
      await createVerifier(BILLING, { ...receipts, client }).verify(token.reveal())
      const both = createVerifier('https://other.example', {
        ...receipts,
        audience: [BILLING, 'https://other.example'],
      })
      await both.verify(token.reveal())
      await settle()
      const one = { type: 'receipt.lost', jti: token.jti, code: 'configuration' }
      expect(lost).toEqual([one, one])
    })
  })

  test('takes no token of another, whatever keys they have in common', async () => {
    const [own, other] = await Promise.all([open(), open()])
    const call = await own.authsec.getDelegationToken(request)
    await expect(other.verifier.verify(call.reveal())).rejects.toMatchObject({ code: 'tenant_mismatch' })
    const base = own.server.issued.find((token) => token !== call.reveal()) as string
    const exchange = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: base,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: other.server.clientIdOf('agent'),
      resource: BILLING,
    }
    const body = new URLSearchParams(exchange)
    const answer = await other.server.fetch(`${other.server.url}/oauth/token`, { method: 'POST', body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: 'invalid_request' })
  })

  test('ends a delegation', async () => {
    const { authsec, server } = await open()
    await server.revokeDelegation('agent')
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'no_delegation' })
  })

  test('reaches nothing but itself', async () => {
    const { server } = await open()
    await expect(server.fetch('https://example.com/')).rejects.toThrow(/reaches nothing but/)
  })

  test.each<{ why: string; options: TestAuthsecOptions }>([
    { why: 'no agent', options: { agents: {} } },
    { why: 'no API', options: { policies: [] } },
    { why: 'a delegation by nobody', options: { agents: { agent: 'mallory' } } },
    {
      why: 'a policy for nobody',
      options: { policies: [{ permissions: ['a:read'], resources: [BILLING], agent: 'ghost' }] },
    },
  ])('refuses a world with $why', async ({ options }) => {
    await expect(createTestAuthsec(options)).rejects.toMatchObject({ code: 'configuration' })
  })

  test.each(['clientIdOf', 'userIdOf', 'signIn'] as const)('%s says who is not there', async (ask) => {
    const { server } = await open()
    await expect((async () => server[ask]('nobody'))()).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('faults', () => {
  test('a 429 is waited for by the test’s clock', async () => {
    const { authsec, faults, clock } = await open()
    faults.rateLimit({ on: 'token', retryAfter: 2 })
    const asked = authsec.getDelegationToken(request)
    await clock.advance(2_500)
    expect((await asked).permissions).toEqual(['billing:read'])
  })

  test('an outage lasts until it is cleared', async () => {
    const { authsec, faults, clock } = await open()
    faults.disconnect({ times: Number.POSITIVE_INFINITY })
    const asked = expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'network' })
    await clock.advance(10_000)
    await asked
    faults.clear()
    await clock.advance(31_000)
    await expect(authsec.getDelegationToken(request)).resolves.toBeDefined()
  })

  test('a slow answer comes when the clock says so, and a broken one is repeated', async () => {
    const { authsec, faults, clock } = await open()
    faults.delay(1_000, { on: 'token' })
    const asked = authsec.getDelegationToken(request)
    await settle()
    expect(authsec.stats().underWay).toBeGreaterThan(0)
    await clock.advance(1_000)
    await asked
    faults.fail({ on: 'token' })
    const again = authsec.getDelegationToken({ ...request, tool: 'other' })
    await clock.advance(1_000)
    await expect(again).resolves.toBeDefined()
  })

  test('another key is learned of, and a withdrawn one is no longer believed', async () => {
    const { authsec, verifier, faults, clock } = await open()
    const first = await authsec.getDelegationToken(request)
    await verifier.verify(first.reveal())
    await faults.rotateKey()
    const second = await authsec.getDelegationToken({ ...request, forceRefresh: true })
    await clock.advance(11_000)
    await verifier.verify(second.reveal())
    await verifier.verify(first.reveal())

    await faults.withdrawKey()
    const third = await authsec.getDelegationToken({ ...request, forceRefresh: true })
    await clock.advance(11_000)
    await verifier.verify(third.reveal())
    await expect(verifier.verify(second.reveal())).rejects.toMatchObject({ code: 'signature_invalid' })
  })

  test('a server whose clock is ahead issues tokens that are not valid yet', async () => {
    const { authsec, verifier, faults } = await open()
    faults.skew(60_000)
    const token = await authsec.getDelegationToken(request)
    await expect(verifier.verify(token.reveal())).rejects.toMatchObject({ code: 'token_not_yet_valid' })
  })

  test('what is cleared is over, the skew included', async () => {
    const { authsec, verifier, faults } = await open()
    faults.skew(60_000)
    faults.disconnect({ times: Number.POSITIVE_INFINITY })
    faults.clear()
    const token = await authsec.getDelegationToken(request)
    await expect(verifier.verify(token.reveal())).resolves.toBeDefined()
  })

  test('who waits for a late answer gives up by its signal, and nothing reaches the server', async () => {
    const { server, faults, clock } = await open()
    faults.delay(60_000)
    const leaving = new AbortController()
    const asked = server.fetch(`${server.url}/oauth/register`, { method: 'POST', signal: leaving.signal })
    leaving.abort(new RangeError('no longer'))
    await expect(asked).rejects.toThrow('no longer')
    const before = await server.readAudit()
    await clock.advance(60_000)
    expect(await server.readAudit()).toEqual(before)
  })

  test('an agent gives up by the test’s clock', async () => {
    const { authsec, faults, clock } = await open()
    faults.delay(60_000, { on: 'token', times: Number.POSITIVE_INFINITY })
    const asked = expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'timed_out' })
    await clock.advance(5_000)
    await asked
  })

  test.each<{ what: string; on: FaultTarget; options: Partial<VerifierOptions>; oneTime?: true }>([
    { what: 'its keys', on: 'keys', options: {} },
    { what: 'its metadata', on: 'metadata', options: {} },
    { what: 'whether a token is alive', on: 'introspect', options: { introspect: true } },
    { what: 'whether a token was used', on: 'consume', options: { replay: 'server' }, oneTime: true },
  ])(
    'an API that asks the server for $what gives up by the test’s clock',
    async ({ on, options, oneTime = false }) => {
      const real = vi.spyOn(AbortSignal, 'timeout')
      const { authsec, createVerifier, faults, clock } = await open()
      const token = await authsec.getDelegationToken({ ...request, oneTime })
      faults.delay(60_000, { on })
      const verifying = createVerifier(BILLING, options).verify(token.reveal(), oneTime ? { oneTime } : {})
      const outcome = verifying.then(
        () => 'accepted',
        (error) => error.code,
      )
      await clock.advance(4_999)
      expect(await Promise.race([outcome, 'waiting'])).toBe('waiting')
      await clock.advance(1)
      expect(await outcome).toBe('timed_out')
      // As long as it would wait by the clock of the machine.
      expect(new Set(real.mock.calls.flat())).toEqual(new Set([5_000]))
    },
  )

  test('the receipt of a use is lost while the server is away', async () => {
    const { authsec, createVerifier, faults } = await open()
    const token = await authsec.getDelegationToken(request)
    faults.disconnect({ on: 'receipt' })
    const lost: unknown[] = []
    const verifier = createVerifier(BILLING, { useReceipts: true, onEvent: listenForLost(lost) })
    await verifier.verify(token.reveal())
    await settle()
    expect(lost).toEqual([{ type: 'receipt.lost', jti: token.jti, code: 'network' }])
  })
})

describe('a word that nobody knows is refused', () => {
  test.each<{ options: object; says: string }>([
    {
      options: { approval: 'auto-approve' },
      says: '"approval" is not a member of the options of createTestAuthsec',
    },
    { options: { polices: [] }, says: '"polices" is not a member of the options of createTestAuthsec' },
    {
      options: { approvals: 'auto' },
      says: 'approvals "auto" is not one of manual, auto-approve, auto-deny',
    },
    {
      options: { policies: [{ permissions: ['a:b'], resource: ['https://a.example'] }] },
      says: '"resource" is not a member of a policy',
    },
  ])('in $options', async ({ options, says }) => {
    const refusal = { code: 'configuration', message: expect.stringContaining(says) }
    await expect(createTestAuthsec(options)).rejects.toMatchObject(refusal)
  })

  test.each<{ fault: 'rateLimit' | 'fail' | 'disconnect'; options: object; says: string }>([
    {
      fault: 'rateLimit',
      options: { target: 'keys' },
      says: '"target" is not a member of the options of a fault',
    },
    { fault: 'fail', options: { stauts: 500 }, says: '"stauts" is not a member of the options of a fault' },
    { fault: 'fail', options: { on: 'kyes' }, says: 'on "kyes" is not one of metadata, keys' },
    { fault: 'disconnect', options: { retryAfter: 5 }, says: '"retryAfter" is not a member' },
  ])('in a fault: $fault($options)', async ({ fault, options, says }) => {
    const { faults } = await open()
    expect(() => faults[fault](options)).toThrow(
      expect.objectContaining({ code: 'configuration', message: expect.stringContaining(says) }),
    )
  })
})
