import { describe, expect, test } from 'vitest'
import {
  type AskedTerms,
  type CallTerms,
  isSpentByUse,
  narrowTerms,
  UNBOUND,
} from '../../src/core/call-terms.js'

const bound: CallTerms = { tool: 'refund', bind: ['tool'], oneTime: false }

describe('narrowTerms', () => {
  test.each<{ why: string; parent: CallTerms; asked: AskedTerms; says: string }>([
    {
      why: 'another tool',
      parent: { ...UNBOUND, tool: 'read' },
      asked: { tool: 'refund' },
      says: 'is for the tool "read"',
    },
    { why: 'a binding that is dropped', parent: bound, asked: { bind: [] }, says: 'cannot be dropped' },
    { why: 'another tool than the bound one', parent: bound, asked: { tool: 'read' }, says: 'not "read"' },
    { why: 'a binding without a tool', parent: UNBOUND, asked: { bind: ['tool'] }, says: 'needs the name' },
    { why: 'arguments without a tool', parent: UNBOUND, asked: { args: {} }, says: 'needs the name' },
    {
      why: 'a binding to a call without arguments',
      parent: UNBOUND,
      asked: { tool: 'refund', bind: ['tool', 'call'] },
      says: 'needs its arguments',
    },
    {
      why: 'arguments that would not be bound',
      parent: UNBOUND,
      asked: { tool: 'refund', bind: ['tool'], args: {} },
      says: 'contradicts',
    },
    {
      why: 'one use made many',
      parent: { ...UNBOUND, oneTime: true },
      asked: { oneTime: false },
      says: 'cannot be dropped',
    },
  ])('refuses $why', ({ parent, asked, says }) => {
    expect(() => narrowTerms(parent, asked)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(says) }),
    )
  })

  test.each<{ what: string; parent: CallTerms; asked: AskedTerms; terms: CallTerms }>([
    { what: 'nothing where nothing is', parent: UNBOUND, asked: {}, terms: UNBOUND },
    { what: 'what the parent says', parent: bound, asked: {}, terms: bound },
    {
      what: 'a tool for none',
      parent: UNBOUND,
      asked: { tool: 'refund' },
      terms: { ...UNBOUND, tool: 'refund' },
    },
    {
      what: 'the call on top of the tool',
      parent: bound,
      asked: { args: { a: 1 }, oneTime: true },
      terms: { tool: 'refund', bind: ['tool', 'call'], oneTime: true },
    },
  ])('keeps or tightens: $what', ({ parent, asked, terms }) => {
    expect(narrowTerms(parent, asked)).toEqual(terms)
  })
})

describe('isSpentByUse', () => {
  test.each<[CallTerms, boolean]>([
    [UNBOUND, false],
    [bound, false],
    [{ ...UNBOUND, oneTime: true }, true],
    [{ tool: 'refund', bind: ['tool', 'call'], oneTime: false }, true],
  ])('of %j is %s', (terms, spent) => {
    expect(isSpentByUse(terms)).toBe(spent)
  })
})
