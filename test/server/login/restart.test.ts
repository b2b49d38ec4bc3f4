import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../../support/run-cli.js'
import { ADMIN, ALICE, openDoor } from './door.js'

const VERIFY = '/authsec/authmgr/token/verify'
const LOGIN = '/authsec/uflow/auth/admin/login'

test('a login outlives a restart, the session of the run does not', async () => {
  const state = await makeDirectory()
  const first = await openDoor({ state })
  const token = await first.login(ALICE)
  const { adminToken } = first.server
  await first.server.close()

  const second = await openDoor({ state })
  expect((await second.post(VERIFY, { token })).status).toBe(200)
  expect((await second.post(VERIFY, { token: adminToken })).status).toBe(401)
  expect((await second.post('/auth/logout', {}, token)).status).toBe(200)
  await second.server.close()

  const third = await openDoor({ state })
  expect((await third.post(VERIFY, { token })).status).toBe(401)
  await third.server.close()
})

test('the passwords of a state are random, private, and new when their file is gone', async () => {
  const state = await makeDirectory()
  const file = join(state, 'passwords.json')
  const first = await openDoor({ state })
  const { passwords } = first
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await first.post(LOGIN, { email: ADMIN, password: passwords[ADMIN] })).status).toBe(200)
  expect((await first.post(LOGIN, { email: ADMIN, password: passwords[ALICE] })).status).toBe(401)
  await first.server.close()

  const second = await openDoor({ state })
  expect(second.passwords).toEqual(passwords)
  expect((await second.post(LOGIN, { email: ADMIN, password: passwords[ADMIN] })).status).toBe(200)
  await second.server.close()

  await rm(file)
  const third = await openDoor({ state })
  expect(third.passwords[ADMIN]).not.toBe(passwords[ADMIN])
  expect((await third.post(LOGIN, { email: ADMIN, password: passwords[ADMIN] })).status).toBe(401)
  await third.server.close()
})

test('a password that somebody chose is in no file', async () => {
  const state = await makeDirectory()
  const password = 'correct horse battery'
  const door = await openDoor({ state, passwords: { [ADMIN]: password } })
  expect(Object.keys(door.passwords)).not.toContain(ADMIN)
  expect((await door.post(LOGIN, { email: ADMIN, password })).status).toBe(200)
  expect((await door.post(LOGIN, { email: ADMIN, password: 'correct horse batterY' })).status).toBe(401)
  await door.server.close()
})

test.each([
  { why: 'too short', passwords: { [ADMIN]: '123456789' } },
  { why: 'of nobody', passwords: { 'mallory@authsec.test': 'correct horse battery' } },
])('a server does not start with a password that is $why', async ({ passwords }) => {
  await expect(openDoor({ passwords })).rejects.toMatchObject({ code: 'usage' })
})
