import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  choosePolicy,
  delegablePermissions,
  delegatesEverything,
  type PolicyTerms,
  policyRefusal,
} from '../../src/core/policy.js'

const POLICY: PolicyTerms = { agentType: 'langchain', allowedPermissions: ['orders:read'], enabled: true }
const CLIENT = { id: 'c1', agentType: 'langchain' }

describe('policyRefusal', () => {
  test.each([
    { why: 'disabled', policy: { ...POLICY, enabled: false }, client: CLIENT },
    { why: 'agent_type', policy: POLICY, client: { ...CLIENT, agentType: 'crewai' } },
    { why: 'agent_type', policy: POLICY, client: { ...CLIENT, agentType: 'LangChain' } },
    { why: 'agent_type', policy: POLICY, client: { ...CLIENT, agentType: undefined } },
    { why: 'client', policy: { ...POLICY, clientId: 'c2' }, client: CLIENT },
  ])('refuses for $why', ({ why, policy, client }) => {
    expect(policyRefusal(policy, client)).toBe(why)
  })

  test.each([
    { policy: POLICY },
    { policy: { ...POLICY, clientId: 'c1' } },
    { policy: { ...POLICY, clientId: undefined } },
  ])('does not refuse under $policy', ({ policy }) => {
    expect(policyRefusal(policy, CLIENT)).toBeUndefined()
  })
})

describe('choosePolicy', () => {
  const first = { name: 'first', clientId: 'c2' }
  const second = { name: 'second', clientId: undefined }
  const third = { name: 'third', clientId: 'c1' }
  const fourth = { name: 'fourth', clientId: undefined }

  test.each([
    { of: [first, second, third, fourth], client: 'c1', chosen: third },
    { of: [first, second, third, fourth], client: 'c2', chosen: first },
    { of: [first, second, third, fourth], client: 'c3', chosen: second },
    { of: [fourth, second], client: 'c1', chosen: fourth },
    { of: [first, third], client: 'c3', chosen: first },
    { of: [], client: 'c1', chosen: undefined },
  ])('takes $chosen.name for $client', ({ of, client, chosen }) => {
    expect(choosePolicy(of, client)).toBe(chosen)
  })
})

describe('delegablePermissions', () => {
  test('leaves nothing when the user holds nothing of the policy', () => {
    expect(delegablePermissions(new Set(['billing:read']), POLICY)).toEqual(new Set())
    expect(delegablePermissions(new Set(), POLICY)).toEqual(new Set())
  })

  test('takes an empty policy as everything the user holds, and says that it does', () => {
    const everything = { ...POLICY, allowedPermissions: [] }
    expect(delegatesEverything(everything)).toBe(true)
    expect(delegatesEverything(POLICY)).toBe(false)
    expect(delegablePermissions(new Set(['billing:read']), everything)).toEqual(new Set(['billing:read']))
  })

  test('never goes beyond what the user holds, nor beyond a policy that names permissions', () => {
    const names = fc.uniqueArray(fc.constantFrom('a:a', 'b:b', 'c:c', 'd:d'))
    fc.assert(
      fc.property(names, names, (held, allowedPermissions) => {
        for (const permission of delegablePermissions(new Set(held), { ...POLICY, allowedPermissions })) {
          expect(held).toContain(permission)
          if (allowedPermissions.length > 0) expect(allowedPermissions).toContain(permission)
        }
      }),
    )
  })
})
