import { expect, test } from 'vitest'
import type { Session } from '../../src/authority/sessions.js'
import { assertStillStandsIn } from '../../src/authority/stand-ins.js'
import { openStore } from '../../src/store/open.js'

const BOTH = { userId: 'alice', clientId: undefined, kind: 'password' } as const
const QUESTION = { clientId: 'agent', userId: 'alice' }

test('a session that ends while it is used in the place of a client gets nothing', async () => {
  const store = await openStore(':memory:')
  await store.write(async ({ users, sessions }) => {
    await users.insertRole({ name: 'member', permissions: ['billing:read'] })
    await users.insert({ id: 'alice', email: 'alice@authsec.test', roles: ['member'], createdAt: 1 })
    const times = { createdAt: 1, expiresAt: 2_000 }
    await sessions.insert({ ...BOTH, ...times, id: 'session', permissions: undefined, bootId: undefined })
  })
  const user = await store.users.find('alice')
  const session: Session = {
    ...BOTH,
    id: 'session',
    user: user!,
    ceiling: undefined,
    tokenType: 'user',
    startedAt: 1,
    expiresAt: 2,
  }
  await store.write((transaction) => assertStillStandsIn(session, QUESTION, transaction))
  const bobs = { ...QUESTION, userId: 'bob' }
  await expect(store.write((transaction) => assertStillStandsIn(session, bobs, transaction))).rejects.toThrow(
    'may not ask in the place of this client',
  )
  await store.write(({ sessions }) => sessions.remove('session'))
  await expect(
    store.write((transaction) => assertStillStandsIn(session, QUESTION, transaction)),
  ).rejects.toMatchObject({ code: 'access_denied', message: 'the session has ended meanwhile' })
  await store.close()
})
