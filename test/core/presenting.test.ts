import { describe, expect, test } from 'vitest'
import { assertMayAct, assertPresenter, type PresentedKind, parseMayAct } from '../../src/core/presenting.js'

describe('the table of presenters', () => {
  test.each<[PresentedKind, string, string | undefined, string | undefined, boolean]>([
    ['base', 'a', 'a', undefined, true],
    ['base', 'b', 'a', undefined, false],
    ['base', 'b', 'a', 'b', false],
    ['call', 'a', 'a', undefined, true],
    ['call', 'b', 'a', 'b', true],
    ['call', 'b', 'a', undefined, false],
    ['call', 'c', 'a', 'b', false],
    ['session', 'a', undefined, undefined, true],
    ['session', 'a', 'a', undefined, true],
    ['session', 'a', 'b', undefined, false],
    ['session', 'a', 'b', 'a', false],
  ])(
    'a %s token: presenter %s, holder %s, owner of its audience %s: %s',
    (kind, presenter, holder, owner, allowed) => {
      const present = () => assertPresenter(kind, { presenter, holder, owner })
      if (allowed) expect(present).not.toThrow()
      else expect(present).toThrow(expect.objectContaining({ code: 'invalid_grant' }))
    },
  )
})

describe('may_act', () => {
  const actor = { sub: 'spiffe://a', client_id: 'a' }

  test.each([
    { what: 'another sub', mayAct: { sub: 'spiffe://b' } },
    { what: 'another client', mayAct: { client_id: 'b' } },
    { what: 'the right client under another sub', mayAct: { sub: 'spiffe://b', client_id: 'a' } },
    { what: 'nobody', mayAct: {} },
  ])('excludes an actor when it names $what', ({ mayAct }) => {
    expect(() => assertMayAct(mayAct, actor)).toThrow(expect.objectContaining({ code: 'access_denied' }))
  })

  test('demands an actor that has been proven', () => {
    expect(() => assertMayAct({ client_id: 'a' }, undefined)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })

  test.each([undefined, { sub: 'spiffe://a' }, { client_id: 'a' }, actor])(
    'lets the actor act: %j',
    (mayAct) => {
      expect(() => assertMayAct(mayAct, actor)).not.toThrow()
    },
  )

  test.each([null, 'a', [], {}, { sub: '' }, { sub: 1 }, { client_id: 'a', iss: 'https://x' }])(
    'cannot be read from %j',
    (value) => {
      expect(() => parseMayAct(value)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    },
  )

  test('is read with what it names', () => {
    expect(parseMayAct({ client_id: 'a' })).toEqual({ client_id: 'a' })
    expect(parseMayAct(actor)).toEqual(actor)
  })
})
