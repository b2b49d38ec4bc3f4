import { describe, expect, test } from 'vitest'
import { createMemoryReplayStore, type Expectation } from '../../src/verify/index.js'
import { describeRefusals, verifyBase, verifyCalls } from '../support/refused-tokens.js'
import { BILLING, ISSUED_AT, signBase, signBound, signCall } from '../support/token-issuer.js'

const ARGS = { invoice: 'in_1', amount: '10.00' }
const refund = (call: Expectation['call'] = ARGS): Expectation => ({
  tool: 'refund',
  call: call as object as never,
})
const bound = (claims: object) => signCall({ tool: 'refund', ...claims }, { typ: 'authsec-call+jwt' })
const rememberUses = () =>
  verifyCalls({ replay: createMemoryReplayStore({ singleProcess: true, clock: () => ISSUED_AT }) })

describeRefusals('what the route demands', [
  {
    why: 'a permission that it lacks',
    token: signCall(),
    expect: { permissions: ['billing:read', 'billing:refund'] },
    code: 'permission_missing',
    message: 'the token does not carry billing:refund',
    auditId: 'audit-1',
  },
  {
    why: 'permissions of which it has none',
    token: signCall(),
    expect: { anyPermission: ['orders:read', 'billing:refund'] },
    code: 'permission_missing',
    message: 'the token carries none of orders:read billing:refund',
  },
  {
    why: 'another tool',
    token: signCall(),
    expect: { tool: 'refund' },
    code: 'tool_mismatch',
    message: 'the tool is "get_customer_billing", not "refund"',
    auditId: 'audit-1',
  },
  {
    why: 'a tool, where it names none',
    token: signCall({ tool: undefined }),
    expect: { tool: ['a', 'b'] },
    code: 'tool_mismatch',
    message: 'the tool is missing, not "a" or "b"',
  },
  {
    why: 'a tool, of a base token that happens to name one',
    token: signBase({ tool: 'refund' }),
    expect: { tool: 'refund' },
    code: 'tool_mismatch',
    verifier: verifyBase(),
  },
  ...['bind', 'call', 'one_time', 'cnf'].map((claim) => ({
    why: `that nobody hears its ${claim}`,
    token: signCall({ [claim]: false }),
    code: 'unhandled_binding',
    message: `the token is bound by "${claim}", which is not handled`,
    auditId: 'audit-1',
  })),
  {
    why: 'that nobody hears its binding type',
    token: signCall({}, { typ: 'authsec-call+jwt' }),
    code: 'unhandled_binding',
  },
  {
    why: 'that nobody hears the cnf of a base token',
    token: signBase({ cnf: {} }),
    code: 'unhandled_binding',
    verifier: verifyBase(),
  },
])

describeRefusals('what binds the token', [
  {
    why: 'bound to a tool, where the route asks for none',
    token: bound({ bind: ['tool'] }),
    code: 'unhandled_binding',
    message: 'the token is bound by "tool", which is not handled',
    auditId: 'audit-1',
  },
  {
    why: 'bound to another tool',
    token: bound({ bind: ['tool'] }),
    expect: { tool: 'read' },
    code: 'tool_mismatch',
  },
  {
    why: 'bound to a call, where the route passes none',
    token: signBound(ARGS),
    expect: { tool: 'refund' },
    code: 'unhandled_binding',
    message: 'the token is bound by "call", which is not handled',
  },
  {
    why: 'with the hash of a call that binds nothing',
    token: signBound(ARGS, { bind: ['tool'] }),
    expect: { tool: 'refund' },
    code: 'unhandled_binding',
  },
  {
    why: 'bound to a call without its hash',
    token: signBound(ARGS, { call: undefined }),
    expect: refund(),
    code: 'unhandled_binding',
  },
  {
    why: 'bound to a call whose hash is none',
    token: signBound(ARGS, { call: { salt: 'x', hash: 'y' } }),
    expect: refund(),
    code: 'unhandled_binding',
  },
  ...[[], ['call'], ['tool', 'time'], ['tool', 'tool'], 'tool', { tool: true }].map((bind) => ({
    why: `bound by ${JSON.stringify(bind)}`,
    token: signBound(ARGS, { bind }),
    expect: refund(),
    code: 'unhandled_binding',
  })),
  {
    why: 'bound to nothing, where the route passes a call',
    token: signCall({ tool: 'refund' }),
    expect: refund(),
    code: 'binding_missing',
    message: 'the token is not bound by "call"',
    auditId: 'audit-1',
  },
  {
    why: 'bound to its tool only, where the route passes a call',
    token: bound({ bind: ['tool'] }),
    expect: refund(),
    code: 'binding_missing',
  },
  ...[
    { what: 'one digit changed', call: { ...ARGS, amount: '10.01' } },
    { what: 'a number for its text', call: { ...ARGS, amount: 10 } },
    { what: 'a field more', call: { ...ARGS, note: 'x' } },
    { what: 'a field less', call: { invoice: 'in_1' } },
    { what: 'null for what was absent', call: { ...ARGS, note: null } },
    { what: 'a number that no JSON carries', call: { ...ARGS, amount: Number.NaN } },
  ].map(({ what, call }) => ({
    why: `bound to a call with ${what}`,
    token: signBound(ARGS),
    expect: refund(call),
    code: 'call_mismatch',
    message: 'the call is not the one that the token is bound to',
    auditId: 'audit-1',
  })),
  {
    why: 'bound to a call of another API with the same key',
    token: signBound(ARGS, { aud: 'https://orders.example' }),
    expect: refund(),
    verifier: verifyCalls({ audience: [BILLING, 'https://orders.example'] }),
    code: 'call_mismatch',
  },
  { why: 'for one use, where nobody counts', token: bound({ one_time: true }), code: 'unhandled_binding' },
  {
    why: 'for one use, said in another way',
    token: bound({ one_time: 'yes' }),
    code: 'unhandled_binding',
    verifier: rememberUses(),
  },
  {
    why: 'for any number of uses, where one is demanded',
    token: signCall(),
    expect: { oneTime: true },
    code: 'binding_missing',
    message: 'the token is not bound by "one_time"',
    verifier: rememberUses(),
  },
  {
    why: 'of the bound type that nothing binds',
    token: bound({}),
    code: 'unhandled_binding',
    verifier: rememberUses(),
  },
  {
    why: 'bound to a key',
    token: signBound(ARGS, { cnf: { jkt: 'x' } }),
    expect: refund(),
    code: 'unhandled_binding',
    message: 'the token is bound by "cnf", which is not handled',
  },
])

describe('a bound token', () => {
  test('is accepted for the call that it is bound to, and the handler gets what was checked', async () => {
    const token = signBound(ARGS)
    const verified = { tool: 'refund', call: ARGS }
    await expect(verifyCalls().verify(token, refund())).resolves.toMatchObject(verified)
    expect(verifyCalls().verifySync(token, refund())).toMatchObject(verified)
  })

  test('may name its arguments in any order', () => {
    const { invoice, amount } = ARGS
    expect(() =>
      verifyCalls().verifySync(signBound({ invoice, amount }), refund({ amount, invoice })),
    ).not.toThrow()
  })

  test('is accepted by one of the tools of a route', () => {
    expect(verifyCalls().verifySync(bound({ bind: ['tool'] }), { tool: ['read', 'refund'] }).tool).toBe(
      'refund',
    )
  })
})
