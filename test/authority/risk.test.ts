import { describe, expect, test } from 'vitest'
import { levelOf, scoreAction } from '../../src/authority/risk.js'

describe('the risk of an action', () => {
  test.each([
    ['read', 'invoices', 10],
    ['read_file', 'credentials', 20],
    ['getBill', 'billing', 10],
    ['send-email', 'customers', 50],
    ['update', 'production/db', 60],
    ['deleteUser', 'crm', 85],
    ['read_and_delete', 'crm', 85],
    ['refund', 'payments', 95],
    // What nobody knows is not harmless.
    ['frobnicate', 'crm', 50],
    ['', '', 50],
    // A word, not a part of one.
    ['spread', 'crm', 50],
  ])('of %j on %j is %i', (action, resource, score) => {
    expect(scoreAction(action, resource)).toBe(score)
  })

  test.each([
    [0, 'low'],
    [30, 'low'],
    [31, 'medium'],
    [60, 'medium'],
    [61, 'high'],
    [80, 'high'],
    [81, 'critical'],
    [100, 'critical'],
  ])('%i is %s', (score, level) => {
    expect(levelOf(score)).toBe(level)
  })
})
