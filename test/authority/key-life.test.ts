import { decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { openEnvelope } from '../../src/authority/kek-check.js'
import type { KeyLife } from '../../src/authority/key-life.js'
import { openKey } from '../../src/authority/key-making.js'
import type { KeyPlace } from '../../src/authority/key-sets.js'
import type { SigningKey } from '../../src/authority/signer.js'
import type { StoredKey } from '../../src/store/store.js'
import { type AuthorityBench, KEK, openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

const ES256: KeyPlace = { purpose: 'call', alg: 'ES256' }
const BASE: KeyPlace = { purpose: 'base', alg: 'RS256' }
const AUDIT: KeyPlace = { purpose: 'audit', alg: 'EdDSA' }
const SESSION: KeyPlace = { purpose: 'session', alg: 'HS256' }
const PUBLISH_MS = 660_000
const ROTATE_MS = 30 * 86_400_000

let bench: AuthorityBench
let keys: KeyLife

beforeEach(async () => {
  bench = await openBench()
  keys = bench.authority.keys
})

const by = () => bench.seeded.admin
const rotate = (place: KeyPlace) => keys.rotate(place, by(), PROVENANCE)
const condemn = (kid: string, to: 'tainted' | 'revoked') => keys.condemn(kid, to, by(), PROVENANCE)
const published = () => bench.authority.keyring.callKeySet.keys.map(({ kid }) => kid)
const stateOf = async (kid: string) => (await keys.list()).find((key) => key.kid === kid)?.state
const kidOf = (token: string) => decodeProtectedHeader(token).kid

describe('a change that must not be', () => {
  test.each([
    {
      why: 'a rotation before verifiers can know the next key',
      change: () => rotate(ES256),
      code: 'conflict',
    },
    { why: 'a second prepared key', change: () => keys.prepare(ES256, by(), PROVENANCE), code: 'conflict' },
    { why: 'a key that there is not', change: () => keys.activate('x', by(), PROVENANCE), code: 'not_found' },
    {
      why: 'the active key once more',
      change: () => keys.activate(bench.authority.keyring.active.call.kid, by(), PROVENANCE),
      code: 'conflict',
    },
    { why: 'a taint of no key', change: () => condemn('x', 'tainted'), code: 'not_found' },
  ])('is refused, recorded, and changes nothing: $why', async ({ change, code }) => {
    const before = await keys.list()
    let refusal: unknown
    const events = await bench.eventsOf(async () => {
      refusal = await refusalOf(change())
    })
    expect(refusal).toMatchObject({ code })
    expect(events).toMatchObject([{ outcome: 'deny', reason: code, type: expect.stringMatching(/^key\./) }])
    expect(await keys.list()).toEqual(before)
  })
})

describe('a rotation', () => {
  test('lets the published key sign, and keeps the old one for what it signed', async () => {
    const old = bench.authority.keyring.active.call.kid
    const before = published()
    bench.clock.now += PUBLISH_MS
    const { token: base } = await bench.grant()
    const earlier = (await bench.exchange(base)).access_token
    await rotate(ES256)

    const later = (await bench.exchange(base)).access_token
    expect([kidOf(earlier), await stateOf(old)]).toEqual([old, 'retiring'])
    expect(kidOf(later)).not.toBe(old)
    expect(before).toContain(kidOf(later))
    expect(published()).toContain(old)
    expect(published()).toHaveLength(7)
    const exchange = { subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    await expect(bench.exchange(earlier, exchange)).resolves.toBeDefined()
  })

  test('is one record that says what became of each key', async () => {
    bench.clock.now += PUBLISH_MS
    const [event, ...more] = await bench.eventsOf(() => rotate(ES256))
    expect(more).toEqual([])
    expect(event).toMatchObject({
      type: 'key.activated',
      outcome: 'allow',
      kid: bench.authority.keyring.active.call.kid,
      actor: { type: 'user', id: by().id },
      details: {
        purpose: 'call',
        alg: 'ES256',
        changes: [{ state: 'retiring' }, { state: 'active' }, { state: 'prepared' }],
      },
    })
  })

  test('of base tokens signs anew what is pulled, and takes the old one while it lives', async () => {
    const { token } = await bench.grant()
    await rotate(BASE)
    const pulled = await bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE)
    expect(pulled.token).not.toBe(token)
    expect(pulled.token.split('.')[1]).toBe(token.split('.')[1])
    await expect(bench.exchange(token)).resolves.toBeDefined()
    await expect(bench.exchange(pulled.token)).resolves.toBeDefined()
    expect(bench.authority.keyring.bundle.keys).toHaveLength(1)
    const again = await bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE)
    expect(again.token).toBe(pulled.token)
  })

  test('of sessions leaves those alive that are there', async () => {
    const token = await bench.authority.sessions.start(by())
    await rotate(SESSION)
    await expect(bench.authority.sessions.resume(token)).resolves.toBeDefined()
  })
})

describe('a key that is suspect', () => {
  test('signs nothing from then on, is still published, and nothing that it signed is taken', async () => {
    const { token: base } = await bench.grant()
    const { access_token: suspect } = await bench.exchange(base)
    const kid = kidOf(suspect) ?? ''
    const { liveTokens } = await condemn(kid, 'tainted')
    expect(liveTokens).toMatchObject({
      tokens: [{ type: 'token.exchanged', client: bench.seeded.agentId }],
      total: 1,
    })
    expect(kidOf((await bench.exchange(base)).access_token)).not.toBe(kid)
    expect(published()).toContain(kid)
    const exchange = { subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    expect(await refusalOf(bench.exchange(suspect, exchange))).toMatchObject({ code: 'invalid_request' })
  })

  test('is told with all that it signed and that lives, each once, however much of the log that is', async () => {
    const { kid } = bench.authority.keyring.active.call
    const issued = (jti: string) => ({ type: 'token.exchanged', kid, jti }) as const
    await bench.authority.audit.attempt(issued('call-0'), PROVENANCE, (attempt) =>
      attempt.commit(async (_transaction, add) => {
        for (let count = 1; count <= 1_000; count++) add(issued(`call-${count}`))
        add(issued('call-0'))
        add({ ...issued('over'), details: { ttl_seconds: 0 } })
        add({ ...issued('signed by another'), kid: 'another' })
      }),
    )
    const { liveTokens } = await condemn(kid, 'tainted')
    expect(liveTokens.total).toBe(1_001)
    expect(new Set(liveTokens.tokens.map(({ jti }) => jti)).size).toBe(1_001)
  })

  test('records nothing that it signed before, also where all is loaded anew by then', async () => {
    const { keyring } = bench.authority
    const signer = keyring.call.ES256
    await condemn(signer.kid, 'tainted')
    const record = (key: SigningKey) =>
      refusalOf(bench.store.write((transaction) => keyring.assertSigning(key, transaction)))
    expect(await record(signer)).toMatchObject({ code: 'temporarily_unavailable' })
    await expect(bench.store.write((open) => keyring.assertSigning(keyring.call.ES256, open))).resolves.toBe(
      undefined,
    )
  })

  test('leaves the key set at once where it is revoked', async () => {
    const { kid } = bench.authority.keyring.active.call
    await condemn(kid, 'revoked')
    expect(published()).not.toContain(kid)
    expect(await stateOf(kid)).toBe('revoked')
  })

  test('takes the base tokens with it that it signed, also those that were checked before', async () => {
    const { token } = await bench.grant()
    await bench.exchange(token)
    const { liveTokens } = await condemn(bench.authority.keyring.active.base.kid, 'tainted')
    expect(liveTokens).toMatchObject({ tokens: [{ type: 'delegation.granted' }], total: 1 })
    expect(await refusalOf(bench.exchange(token))).toMatchObject({ code: 'invalid_request' })
    const { token: pulled } = await bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE)
    await expect(bench.exchange(pulled)).resolves.toBeDefined()
  })

  test('takes the sessions with it', async () => {
    const token = await bench.authority.sessions.start(by())
    await condemn(bench.authority.keyring.active.session.kid, 'tainted')
    expect(await refusalOf(bench.authority.sessions.resume(token))).toMatchObject({ code: 'login_required' })
  })

  test('is in no record of an issuance after its taint, whatever was under way', async () => {
    const { token: base } = await bench.grant()
    const { kid } = bench.authority.keyring.active.call
    const minting = Array.from({ length: 20 }, () => bench.exchange(base).catch((error) => error))
    const tainting = condemn(kid, 'tainted')
    minting.push(...Array.from({ length: 20 }, () => bench.exchange(base).catch((error) => error)))
    await Promise.all([...minting, tainting])

    const events = await bench.events()
    const tainted = events.findIndex(({ type }) => type === 'key.tainted')
    const after = events
      .slice(tainted)
      .filter(({ outcome, type }) => outcome === 'allow' && type === 'token.exchanged')
    expect(after.filter((event) => event.kid === kid)).toEqual([])
  })
})

describe('what happens by itself', () => {
  test('is nothing before its time', async () => {
    expect(await bench.eventsOf(() => keys.upkeep())).toEqual([])
  })

  test('is a rotation after its period, and the end of the old key after what it signed', async () => {
    const { kid } = bench.authority.keyring.active.call
    bench.clock.now += ROTATE_MS
    const due = await keys.upkeep()
    expect(await stateOf(kid)).toBe('retiring')
    expect(due).toBe(bench.clock.now + 360_000)
    bench.clock.now += 360_000
    const [event] = await bench.eventsOf(() => keys.upkeep())
    expect(event).toMatchObject({ type: 'key.retired', source: 'server' })
    expect(await stateOf(kid)).toBe('retired')
    expect(published()).not.toContain(kid)
  })
})

describe('of a key that is over', () => {
  test.each([
    { place: ES256, kept: ['crv', 'kty', 'x', 'y'] },
    { place: BASE, kept: ['e', 'kty', 'n'] },
    { place: SESSION, kept: ['kty'] },
    { place: AUDIT, kept: ['crv', 'kty', 'x'] },
  ])('no private part is left in the state: $place.purpose', async ({ place, kept }) => {
    const { kid } = bench.authority.keyring.active[place.purpose]
    expect(await openMembers(kid)).toContain(place.alg === 'HS256' ? 'k' : 'd')
    await condemn(kid, 'revoked')
    expect(await openMembers(kid)).toEqual(kept)
  })

  test('none is left where it has retired by itself', async () => {
    const { kid } = bench.authority.keyring.active.call
    bench.clock.now += ROTATE_MS
    const due = await keys.upkeep()
    expect(await openMembers(kid)).toContain('d')
    bench.clock.now = due ?? 0
    await keys.upkeep()
    expect(await stateOf(kid)).toBe('retired')
    expect(await openMembers(kid)).not.toContain('d')
  })

  test('nothing comes back where somebody gives it another state: a secret without a secret is known to all', async () => {
    const { kid } = bench.authority.keyring.active.session
    await condemn(kid, 'revoked')
    const key = (await bench.store.keys.list()).find((each) => each.kid === kid)
    await bench.store.write((transaction) =>
      transaction.keys.update({ ...key, state: 'retiring' } as StoredKey),
    )
    await expect(bench.authority.keyring.refresh()).rejects.toMatchObject({
      code: 'state_unreadable',
      message: `the session key "${kid}" of this state is damaged`,
    })
  })

  test('the log goes on knowing what it signed', async () => {
    const { keyring } = bench.authority
    const { kid, publicKey } = keyring.active.audit
    await condemn(kid, 'revoked')
    expect(keyring.audit.signing.map((key) => key.kid)).not.toContain(kid)
    expect(keyring.audit.known.find((key) => key.kid === kid)?.publicKey.equals(publicKey)).toBe(true)
  })
})

/** The members of what is sealed of a key. */
async function openMembers(kid: string): Promise<string[]> {
  const { keys: stored, settings } = bench.store
  const [tenantId = '', logId = ''] = [await settings.find('tenant_id'), await settings.find('log_id')]
  const envelope = await openEnvelope(bench.store, KEK, { tenantId, logId })
  const key = (await stored.list()).find((each) => each.kid === kid)
  return Object.keys(openKey(key as StoredKey, envelope).jwk).sort()
}
