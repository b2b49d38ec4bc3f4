import { beforeEach, describe, expect, test } from 'vitest'
import type { Registered } from '../../src/authority/registration.js'
import { type AuthorityBench, openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

let bench: AuthorityBench
beforeEach(async () => {
  bench = await openBench()
})

const METADATA = { scope: 'billing:read', descriptions: {} }

const register = () => bench.authority.registration.register(METADATA, undefined, PROVENANCE)
const managed = ({ client, registrationToken: token }: Registered) => ({ clientId: client.id, token })
const replace = (registered: Registered) =>
  bench.authority.registration.replace(
    managed(registered),
    { ...METADATA, clientName: 'renamed' },
    { clientId: registered.client.id, secret: undefined },
    PROVENANCE,
  )

describe('a client that changes its registration', () => {
  test('stays deactivated where an admin has done that at the same time', async () => {
    const registered = await register()
    const { id } = registered.client
    bench.store.beforeNextWrite(() => bench.authority.clients.deactivate(id, bench.admin, PROVENANCE))
    await replace(registered)
    expect(await bench.store.clients.find(id)).toMatchObject({ name: 'renamed', active: false })
  })

  test('keeps the secret that an admin has given it at the same time', async () => {
    const registered = await register()
    const { id } = registered.client
    bench.store.beforeNextWrite(() => bench.authority.clients.rotateSecret(id, 0, bench.admin, PROVENANCE))
    await replace(registered)
    const { secretHash } = (await bench.store.clients.find(id)) ?? {}
    expect(secretHash).toMatch(/./)
    expect(secretHash).not.toBe(registered.client.secretHash)
  })

  test('does not come back where an admin has deleted it at the same time', async () => {
    const registered = await register()
    const { id } = registered.client
    bench.store.beforeNextWrite(() => bench.authority.clients.remove(id, bench.admin, PROVENANCE))
    expect((await refusalOf(replace(registered))).code).toBe('invalid_token')
    expect((await bench.store.clients.find(id))?.deletedAt).toEqual(expect.any(Number))
  })

  test('deletes nothing with a token that a change has replaced at the same time', async () => {
    const registered = await register()
    bench.store.beforeNextWrite(() => replace(registered))
    const removal = bench.authority.registration.remove(managed(registered), PROVENANCE)
    expect((await refusalOf(removal)).code).toBe('invalid_token')
    expect(await bench.store.clients.find(registered.client.id)).toMatchObject({ name: 'renamed' })
  })
})
