import { describeRefusals, verifyBase } from '../support/refused-tokens.js'
import { signBase, signCall } from '../support/token-issuer.js'

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
