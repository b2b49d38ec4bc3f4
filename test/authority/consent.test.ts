import { expect, test } from 'vitest'
import { assertConsent } from '../../src/authority/consent.js'

test('consent is implied on a machine of one developer', () => {
  expect(() => assertConsent('user', 'client', 'dev')).not.toThrow()
})

test('consent that nobody has recorded is none on a server of a team', () => {
  expect(() => assertConsent('user', 'client', 'shared')).toThrow(
    expect.objectContaining({ code: 'access_denied' }),
  )
})
