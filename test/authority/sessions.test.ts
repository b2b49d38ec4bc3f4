import { randomUUID } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { assertAdmin, type SessionTerms } from '../../src/authority/sessions.js'
import { signJwt } from '../../src/authority/signer.js'
import {
  type AuthorityBench,
  ISSUER,
  KEK,
  openBench,
  PROVENANCE,
  refusalOf,
} from '../support/authority-bench.js'

const HOUR_MS = 3_600_000

let bench: AuthorityBench
let token: string

beforeEach(async () => {
  bench = await openBench()
  token = await bench.authority.sessions.start(bench.admin.user)
})

const resume = (text: string) => bench.authority.sessions.resume(text)

describe('a session', () => {
  test('is resumed with the authority that its user has now', async () => {
    const session = await resume(token)
    expect(session.user).toEqual(bench.admin.user)
    expect(session.expiresAt).toBe(Math.floor(bench.clock.now / 1000) + 12 * 3_600)

    bench.store.alter({ user: { permissions: new Set(['billing:read']) } })
    expect((await resume(token)).user.permissions).toEqual(new Set(['billing:read']))
  })

  test('has the claims of an AuthSec session', () => {
    const { tenantId } = bench.authority.identity
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'JWT', kid: 'default' })
    expect(decodeJwt(token)).toMatchObject({
      iss: 'authsec-ai/auth-manager',
      aud: 'authsec-api',
      sub: bench.admin.user.id,
      user_id: bench.admin.user.id,
      tenant_id: tenantId,
      project_id: tenantId,
      token_type: 'admin',
      roles: ['admin'],
    })
  })

  test('lives to the second before its end and not a moment longer', async () => {
    const end = Math.floor(bench.clock.now / 1000) * 1000 + 12 * HOUR_MS
    bench.clock.now = end - 1
    await resume(token)
    bench.clock.now = end
    expect(await refusalOf(resume(token))).toMatchObject({ code: 'login_required' })
  })

  test('is worth nothing while its user is not active', async () => {
    bench.store.alter({ user: { active: false } })
    expect(await refusalOf(resume(token))).toMatchObject({ code: 'login_required' })
  })

  test('ends with the run of the server', async () => {
    const { store, clock } = bench
    const next = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: clock.read })
    expect(await refusalOf(next.sessions.resume(token))).toMatchObject({ code: 'login_required' })
  })

  test('starts with one record that names the user and does not hold the token', async () => {
    const [event, ...others] = await bench.eventsOf(() => bench.authority.sessions.start(bench.alice))
    expect(others).toEqual([])
    expect(event).toMatchObject({
      type: 'session.started',
      outcome: 'allow',
      subject: { type: 'user', id: bench.alice.id },
      token_hash: expect.stringMatching(/^[\w-]{43}$/),
    })
    expect(JSON.stringify(event)).not.toContain('eyJ')
  })
})

describe('a session of a person', () => {
  const issue = (user = bench.alice, terms: Partial<SessionTerms> = {}) =>
    bench.authority.audit.attempt({ type: 'session.started' }, PROVENANCE, (attempt) =>
      bench.authority.sessions.issue(user, { kind: 'password', ttlSeconds: 600, ...terms }, attempt),
    )

  test('outlives the run of the server', async () => {
    const { token, id } = await issue()
    const { store, clock } = bench
    const next = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: clock.read })
    expect(await next.sessions.resume(token)).toMatchObject({ id, kind: 'password', user: bench.alice })
  })

  test('is over at once when it is ended, and no other with it', async () => {
    const [one, other] = [await issue(), await issue()]
    const session = await resume(one.token)
    const events = await bench.eventsOf(() => bench.authority.sessions.end(session, PROVENANCE))
    expect(events).toEqual([
      expect.objectContaining({ type: 'session.ended', outcome: 'allow', jti: one.id }),
    ])
    expect(await refusalOf(resume(one.token))).toMatchObject({ code: 'login_required' })
    expect(await resume(other.token)).toMatchObject({ id: other.id })
  })

  test('is that of the person it was started for and of nobody else', async () => {
    const { token } = await issue()
    const forged = { ...decodeJwt(token), sub: bench.admin.user.id, user_id: bench.admin.user.id }
    const key = bench.authority.keyring.active.session
    const altered = signJwt(key, { typ: 'JWT', kid: 'default' }, forged).token
    expect(await refusalOf(resume(altered))).toMatchObject({ code: 'login_required' })
  })

  test('may do no more than it was started for, nor than its user may', async () => {
    const ceiling = ['billing:read', 'admin:access']
    const { token, permissions } = await issue(bench.alice, { ceiling })
    expect(permissions).toEqual(['billing:read'])
    expect((await resume(token)).user.permissions).toEqual(new Set(['billing:read']))
    expect((await resume((await issue(bench.admin.user, { ceiling: [] })).token)).user.permissions).toEqual(
      new Set(),
    )
  })

  test('is not started for a user who has been deactivated meanwhile', async () => {
    bench.store.beforeNextWrite(() => bench.store.alter({ user: { active: false } }))
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(issue())).toMatchObject({ code: 'access_denied' })
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'session.started', outcome: 'deny', reason: 'access_denied' }),
    ])
    expect(events[0]).not.toHaveProperty('token_hash')
  })
})

describe('what is no session', () => {
  test.each(['', 'x', 'a.b.c', '..', 'é'])(
    'is refused without an exception of another kind: %j',
    async (text) => {
      expect(await refusalOf(resume(text))).toMatchObject({
        code: 'login_required',
        message: 'Invalid or expired token',
      })
    },
  )

  test('a base token and a call token open nothing', async () => {
    const held = await bench.grant()
    const { access_token } = await bench.exchange(held.token)
    expect(await refusalOf(resume(held.token))).toMatchObject({ code: 'login_required' })
    expect(await refusalOf(resume(access_token))).toMatchObject({ code: 'login_required' })
  })

  test('a session is no base token', async () => {
    await bench.grant()
    expect(await refusalOf(bench.exchange(token))).toMatchObject({ code: 'invalid_request' })
  })

  test.each([
    { what: 'another typ', header: { typ: 'at+jwt' } },
    { what: 'no typ', header: { typ: undefined } },
    { what: 'no algorithm', header: { alg: 'none' } },
    { what: 'another issuer', claims: { iss: 'authsec' } },
    { what: 'another audience', claims: { aud: 'https://billing.example' } },
    { what: 'another tenant', claims: { tenant_id: randomUUID() } },
    { what: 'a session that nobody has started', claims: { jti: randomUUID() } },
    { what: 'no id', claims: { jti: undefined } },
    { what: 'no expiry', claims: { exp: undefined } },
    { what: 'an expiry in words', claims: { exp: '9999999999' } },
    { what: 'no user', claims: { sub: undefined } },
    { what: 'a user that does not exist', claims: { sub: randomUUID() } },
  ])('a token of our own key with $what', async ({ header, claims }) => {
    const key = bench.authority.keyring.active.session
    const genuine = { header: { typ: 'JWT', kid: 'default' }, claims: decodeJwt(token) }
    await resume(signJwt(key, genuine.header, genuine.claims).token)

    const altered = signJwt(key, { ...genuine.header, ...header }, { ...genuine.claims, ...claims })
    expect(await refusalOf(resume(altered.token))).toMatchObject({ code: 'login_required' })
  })

  test.each(['call', 'base'] as const)('the claims of a session signed with the %s key', async (purpose) => {
    const forged = signJwt(bench.authority.keyring.active[purpose], { typ: 'JWT' }, decodeJwt(token))
    expect(await refusalOf(resume(forged.token))).toMatchObject({ code: 'login_required' })
  })
})

describe('the admin routes', () => {
  test('are open to a session with admin:access and to no other', () => {
    expect(() => assertAdmin(bench.admin)).not.toThrow()
    expect(() => assertAdmin({ ...bench.admin, user: bench.alice })).toThrow(
      expect.objectContaining({ code: 'access_denied' }),
    )
  })
})

test('the session of an earlier run has no row left, so nothing that descends from it stands', async () => {
  const earlier = decodeJwt(await bench.authority.sessions.start(bench.seeded.admin)).jti as string
  expect(await bench.store.sessions.find(earlier)).toBeDefined()
  const next = await openAuthority({ store: bench.store, kek: KEK, issuer: ISSUER, clock: bench.clock.read })
  const later = decodeJwt(await next.sessions.start(bench.seeded.admin)).jti as string
  expect(await bench.store.sessions.find(earlier)).toBeUndefined()
  expect(await bench.store.sessions.find(later)).toBeDefined()
})
