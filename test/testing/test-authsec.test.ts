import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  createTestAuthsec,
  settle,
  type TestAuthsec,
  type TestAuthsecOptions,
} from '../../src/testing/index.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:read'] }

const opened: TestAuthsec[] = []

async function open(options: TestAuthsecOptions = {}): Promise<TestAuthsec> {
  const created = await createTestAuthsec(options)
  opened.push(created)
  return created
}

afterEach(async () => {
  vi.unstubAllEnvs()
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
})
