import { describe, expect, test } from 'vitest'
import { assertMembers } from '../../src/core/option-checks.js'

const known = { serverUrl: 0, clockToleranceSeconds: 0, tenant: 0, replay: 0, entries: 0 }
const check = (given: unknown) => assertMembers('the options', given as typeof known, known)

describe('assertMembers', () => {
  test.each([{}, { tenant: 1, replay: undefined }])('takes %j', (given) => {
    expect(() => check(given)).not.toThrow()
  })

  test.each([
    { name: 'tenannt', nearest: 'tenant' },
    { name: 'Tenant', nearest: 'tenant' },
    { name: 'clockTolerance', nearest: 'clockToleranceSeconds' },
    { name: 'replayStore', nearest: 'replay' },
    { name: 'entry', nearest: 'entries' },
    { name: 'serverURL', nearest: 'serverUrl' },
  ])('refuses $name, and asks whether $nearest is meant', ({ name, nearest }) => {
    expect(() => check({ [name]: undefined })).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: `"${name}" is not a member of the options`,
        hint: `Did you mean ${nearest}?`,
      }),
    )
  })

  test.each(['requireActor', 'x', 'x'.repeat(100_000), 'toString'])(
    'names all that there are where none is near: %.20s',
    (name) => {
      expect(() => check({ [name]: 1 })).toThrow(
        expect.objectContaining({
          code: 'configuration',
          hint: 'There are serverUrl, clockToleranceSeconds, tenant, replay, entries.',
        }),
      )
    },
  )

  test('refuses a member that is inherited, as it would be read', () => {
    expect(() => check(Object.create({ tenannt: 1 }))).toThrow('"tenannt" is not a member of the options')
  })

  test('makes what is unprintable in a name visible, and cuts it', () => {
    expect(() => check({ ['\u202e'.repeat(1_000)]: 1 })).toThrow(/^"(\\u202e){60}…" is not/)
  })

  test.each([undefined, null, 5, 'tenant', true])('refuses %j instead of an object', (given) => {
    expect(() => check(given)).toThrow(
      expect.objectContaining({ code: 'configuration', message: 'no object is given for the options' }),
    )
  })
})
