import { describe, expect, test } from 'vitest'
import { type AuditEvent, encodeAuditEvent } from '../../src/core/audit-record.js'

const EVENT: AuditEvent = {
  v: 1,
  id: '0190d3b4-0000-7000-8000-000000000000',
  log: 'authsec/log',
  tenant: 't',
  occurred_at: '2026-01-31T09:00:00.000Z',
  boot: 'b',
  type: 'token.exchanged',
  outcome: 'allow',
}

describe('encodeAuditEvent', () => {
  test.each([
    { what: 'ASCII', text: 'x'.repeat(1024), fields: 33 },
    { what: 'text that takes three bytes a character', text: '€'.repeat(341), fields: 33 },
  ])('refuses an event of more than 32 KiB in $what', ({ text, fields }) => {
    const details = Object.fromEntries(Array.from({ length: fields }, (_, index) => [`f${index}`, text]))
    expect(() => encodeAuditEvent({ ...EVENT, details })).toThrow('larger than 32 KiB')
  })

  test('writes the canonical form without members that are undefined', () => {
    expect(encodeAuditEvent({ ...EVENT, reason: undefined, jti: 'j' })).toBe(
      '{"boot":"b","id":"0190d3b4-0000-7000-8000-000000000000","jti":"j","log":"authsec/log",' +
        '"occurred_at":"2026-01-31T09:00:00.000Z","outcome":"allow","tenant":"t","type":"token.exchanged","v":1}',
    )
  })

  test('cuts untrusted text, wherever it stands', () => {
    const long = 'x'.repeat(5_000)
    const event = { ...EVENT, reason: long, aud: [long], details: { inner: { deep: long }, [long]: 1 } }
    const cut = 'x'.repeat(1024)
    expect(JSON.parse(encodeAuditEvent(event))).toMatchObject({
      reason: cut,
      aud: [cut],
      details: { inner: { deep: cut }, [cut]: 1 },
    })
  })

  test.each([
    { what: 'a value', details: { a: '\ud800' } },
    { what: 'a name', details: { '\udc00': 1 } },
  ])('replaces a lone surrogate in $what, so that the event can be stored', ({ details }) => {
    const text = encodeAuditEvent({ ...EVENT, details })
    expect(text).toContain('\ufffd')
    expect(text.isWellFormed()).toBe(true)
  })

  test('cuts text to 1 KiB in UTF-8, and no character in half', () => {
    const details = { euros: '€'.repeat(1024), pair: `${'x'.repeat(1023)}😀` }
    expect(JSON.parse(encodeAuditEvent({ ...EVENT, details })).details).toEqual({
      euros: '€'.repeat(341),
      pair: 'x'.repeat(1023),
    })
  })

  test('keeps no token, wherever somebody has put one', () => {
    const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'
    const event = { ...EVENT, aud: [token], details: { filter: `jti="${token}x" txn=1`, [token]: 'eyJ' } }
    expect(JSON.parse(encodeAuditEvent(event))).toMatchObject({
      aud: ['[token]'],
      details: { filter: 'jti="[token]" txn=1', '[token]': 'eyJ' },
    })
  })

  test('keeps a member called __proto__ as data', () => {
    const details = JSON.parse('{"__proto__":{"a":1}}')
    expect(encodeAuditEvent({ ...EVENT, details })).toContain('"details":{"__proto__":{"a":1}}')
  })
})
