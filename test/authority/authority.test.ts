import { describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { openStore } from '../../src/store/open.js'
import { ISSUER, KEK, START } from '../support/authority-bench.js'

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

describe('opening the authority', () => {
  test('names a new state once: only the run has another name the next time', async () => {
    const store = await openStore(':memory:')
    const first = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START })
    const second = await openAuthority({ store, kek: KEK, issuer: 'http://127.0.0.1:1', clock: () => START })
    expect(first.identity).toEqual({
      tenantId: expect.stringMatching(UUID),
      issuer: ISSUER,
      logId: expect.stringMatching(/^authsec\/[\da-f]{32}$/),
      bootId: expect.stringMatching(UUID),
    })
    expect(second.identity).toEqual({ ...first.identity, bootId: expect.stringMatching(UUID) })
    expect(second.identity.bootId).not.toBe(first.identity.bootId)
    expect(second.keyring.callKeySet).toEqual(first.keyring.callKeySet)
  })

  test('is refused under another key-encryption key, and changes nothing', async () => {
    const store = await openStore(':memory:')
    const { identity } = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START })
    const before = [await store.keys.list(), await store.audit.head(), await store.delegations.revision()]
    const wrong = new Uint8Array(32).fill(8)
    await expect(
      openAuthority({ store, kek: wrong, issuer: ISSUER, clock: () => START }),
    ).rejects.toMatchObject({ code: 'state_unreadable' })
    expect([await store.keys.list(), await store.audit.head(), await store.delegations.revision()]).toEqual(
      before,
    )

    const again = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START })
    expect(again.identity.tenantId).toBe(identity.tenantId)
  })

  test('takes no key of another state', async () => {
    const [one, other] = [await openStore(':memory:'), await openStore(':memory:')]
    await openAuthority({ store: one, kek: KEK, issuer: ISSUER, clock: () => START })
    const keys = await one.keys.list()
    await other.write(async (transaction) => {
      for (const key of keys) await transaction.keys.insert(key)
    })
    await expect(
      openAuthority({ store: other, kek: KEK, issuer: ISSUER, clock: () => START }),
    ).rejects.toMatchObject({ code: 'state_unreadable' })
  })

  test('does nothing more once the store is closed', async () => {
    const store = await openStore(':memory:')
    const { audit } = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START })
    await store.close()
    await expect(
      audit.attempt({ type: 'server.stopped' }, { requestId: 'r', source: 'server' }, ({ commit }) =>
        commit(),
      ),
    ).rejects.toMatchObject({ code: 'temporarily_unavailable' })
  })
})
