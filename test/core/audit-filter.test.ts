import { describe, expect, test } from 'vitest'
import { AUDIT_FILTER_FIELDS, parseAuditFilter } from '../../src/core/audit-filter.js'

describe('parseAuditFilter', () => {
  test.each([
    { text: '', message: '"" is not a filter' },
    { text: 'type', message: '"type" is not a filter' },
    { text: 'type=', message: '"type=" is not a filter' },
    { text: '=x', message: '"=x" is not a filter' },
    { text: 'type =x', message: '"type =x" is not a filter' },
    { text: 'TYPE=token.exchanged', message: '"TYPE=token.exchanged" is not a filter' },
    { text: 'email=alice', message: '"email=alice" is not a filter' },
    { text: '__proto__=x', message: '"__proto__=x" is not a filter' },
    { text: 'jti~x', message: '"jti~x" is not a filter' },
    { text: 'outcome=maybe', message: '"maybe" is not an outcome' },
    { text: 'outcome=Allow', message: '"Allow" is not an outcome' },
    { text: 'type=token.stolen', message: '"token.stolen" is not an event type' },
    { text: 'type=tokens.*', message: '"tokens.*" is not an event type' },
    { text: 'type=toString', message: '"toString" is not an event type' },
    { text: 'type=*.exchanged', message: '"*.exchanged" is not an event type' },
    { text: 'bad\u001b[31m=x', message: '"bad\\u001b[31m=x" is not a filter' },
  ])('refuses $text', ({ text, message }) => {
    expect(() => parseAuditFilter(text)).toThrow(expect.objectContaining({ code: 'usage', message }))
  })

  test.each([
    { text: 'type=token.exchanged', field: 'type', value: 'token.exchanged' },
    { text: 'type=token.*', field: 'type', value: 'token.*' },
    { text: 'type=*', field: 'type', value: '*' },
    { text: 'outcome=deny', field: 'outcome', value: 'deny' },
    { text: 'jti=a=b', field: 'jti', value: 'a=b' },
    { text: 'txn=two\nlines', field: 'txn', value: 'two\nlines' },
  ])('reads $text', ({ text, field, value }) => {
    expect(parseAuditFilter(text)).toEqual({ field, value })
  })

  test.each(AUDIT_FILTER_FIELDS.filter((field) => field !== 'type' && field !== 'outcome'))(
    'reads the field %s',
    (field) => {
      expect(parseAuditFilter(`${field}=x`)).toEqual({ field, value: 'x' })
    },
  )
})
