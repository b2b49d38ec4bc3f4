import { describe, expect, test } from 'vitest'
import { readAuditEvent } from '../../src/api/audit-event.js'
import type { JsonObject } from '../../src/core/strict-json.js'

const EVENT: JsonObject = {
  type: 'token.exchanged',
  outcome: 'allow',
  id: '01a21767-e5bb-7175-8f45-f378b8de3f12',
  occurred_at: '2026-08-21T12:00:00.000Z',
  act: { sub: 'spiffe://a/b', client_id: 'c', act: { sub: 'spiffe://a/d', client_id: 'e' } },
  permissions: { granted: ['billing:read'] },
  unheard_of: { a: 1 },
}

describe('reading an event of the audit log', () => {
  test('leaves it as it came, for it is what the log proves', () => {
    expect(JSON.stringify(readAuditEvent(EVENT))).toBe(JSON.stringify(EVENT))
  })

  test('asks for no more than what tells it', () => {
    const { id, type, outcome, occurred_at } = EVENT as Record<string, string>
    expect(readAuditEvent({ id, type, outcome, occurred_at } as JsonObject)).toMatchObject({ id })
  })

  test.each(['id', 'type', 'outcome', 'occurred_at'])('is a server_error without %s', (name) => {
    const { [name]: _, ...rest } = EVENT
    expect(() => readAuditEvent(rest)).toThrow(
      expect.objectContaining({ code: 'server_error', message: expect.stringContaining(`has no ${name}`) }),
    )
  })

  test.each([
    { v: 2 },
    { id: 1 },
    { outcome: 'maybe' },
    { reason: null },
    { actor: 'a user' },
    { actor: { type: 'god', id: 'x' } },
    { subject: { type: 'user' } },
    { act: { sub: 'spiffe://a/b' } },
    { act: { sub: 'spiffe://a/b', client_id: 'c', act: 1 } },
    { aud: 'https://billing.example' },
    { permissions: ['billing:read'] },
    { permissions: { asked: 0 } },
    { details: [] },
    { txn: {} },
  ])('is a server_error with %j', (wrong) => {
    const [name] = Object.keys(wrong)
    expect(() => readAuditEvent({ ...EVENT, ...wrong } as JsonObject)).toThrow(
      expect.objectContaining({ code: 'server_error', message: expect.stringContaining(`the ${name} of`) }),
    )
  })

  test.each([undefined, null, [], 'event'])('is a server_error where there is %j', (value) => {
    expect(() => readAuditEvent(value)).toThrow(expect.objectContaining({ code: 'server_error' }))
  })
})
