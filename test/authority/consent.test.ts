import { expect, test } from 'vitest'
import { assertConsent } from '../../src/authority/consent.js'

const QUESTION = { userId: 'user', clientId: 'client', holder: undefined }

test('consent is implied on a machine of one developer', () => {
  expect(() => assertConsent({ ...QUESTION, mode: 'dev' })).not.toThrow()
})

test('consent on a server of a team is a session that the user has let this client have', () => {
  expect(() => assertConsent({ ...QUESTION, holder: 'client', mode: 'shared' })).not.toThrow()
})

test.each([undefined, 'another client'])(
  'consent on a server of a team is none where %s holds the session',
  (holder) => {
    expect(() => assertConsent({ ...QUESTION, holder, mode: 'shared' })).toThrow(
      expect.objectContaining({ code: 'access_denied' }),
    )
  },
)
