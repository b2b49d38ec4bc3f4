import { describe, expect, test } from 'vitest'
import { CLIENTS } from '../../src/cli/client-declaration.js'
import { type Declarable, parseDeclarations } from '../../src/cli/declaration.js'
import { DELEGATIONS } from '../../src/cli/delegation-declaration.js'
import { POLICIES } from '../../src/cli/policy-declaration.js'
import { RESOURCES } from '../../src/cli/resource-declaration.js'

const POLICY = {
  role_name: 'member',
  agent_type: 'crewai',
  allowed_permissions: ['billing:read'],
  resources: ['https://billing.example'],
  max_ttl: '8h',
}
const GOOD: { kind: Declarable<unknown>; least: object; whole: object; means: object }[] = [
  {
    kind: CLIENTS,
    least: { name: 'bot' },
    whole: { name: 'bot', agent_type: 'x', platform: 'unix', selectors: { 'unix:uid': '1' } },
    means: { name: 'bot', type: 'ai_agent', email: 'bot@authsec.invalid', selectors: { 'unix:uid': '1' } },
  },
  {
    kind: POLICIES,
    least: POLICY,
    whole: { ...POLICY, enabled: false, client_id: 'c-1' },
    means: { role: 'member', maxTtlSeconds: 28_800, enabled: false, clientId: 'c-1' },
  },
  {
    kind: RESOURCES,
    least: { uri: 'https://a.example' },
    whole: { uri: 'https://a.example', permissions: ['a:read'] },
    means: { uri: 'https://a.example', permissions: ['a:read'] },
  },
  {
    kind: DELEGATIONS,
    least: { client: 'bot' },
    whole: { client: 'bot', audience: ['https://a.example'], ttl: '1h' },
    means: { reference: 'bot', audience: ['https://a.example'], ttlSeconds: 3_600 },
  },
]

describe.each(GOOD)('what declares $kind.many', ({ kind, least, whole, means }) => {
  const read = (declared: unknown) => parseDeclarations(JSON.stringify(declared), kind)
  const [mandatory = ''] = Object.keys(least)

  test('is one object or a list of them', () => {
    expect(read(whole)).toEqual([expect.objectContaining(means)])
    expect(read([least, whole])).toHaveLength(2)
  })

  test.each([
    { why: 'nothing', declared: [], says: 'it declares no ' },
    { why: 'no object', declared: [least, 1], says: ' is not an object' },
    { why: 'a list in the list', declared: [[least]], says: ' is not an object' },
    { why: 'an unknown member', declared: { ...least, colour: 'red' }, says: '"colour" is not a member of ' },
    {
      why: 'a member too few',
      declared: { ...least, [mandatory]: undefined },
      says: `has no "${mandatory}"`,
    },
    {
      why: 'a number for a text',
      declared: { ...least, [mandatory]: 1 },
      says: `"${mandatory}" is not a text`,
    },
    { why: 'an empty text', declared: { ...least, [mandatory]: '' }, says: `"${mandatory}" is empty` },
  ])('is refused with $why, which is named', ({ declared, says }) => {
    expect(() => read(declared)).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: expect.stringMatching(
          new RegExp(`^the declaration of ${kind.many} cannot be used: .*${says}`),
        ),
        hint: expect.stringContaining(kind.members.join(', ')),
      }),
    )
  })

  test.each(['', '{', '{"a": 1, "a": 1}', 'null'])('is refused where it is %j', (text) => {
    expect(() => parseDeclarations(text, kind)).toThrow(`the declaration of ${kind.many} cannot be used`)
  })
})

test.each<[Declarable<unknown>, object, string]>([
  [CLIENTS, { name: 'bot', selectors: { a: 1 } }, '"selectors" is not a map of texts'],
  [POLICIES, { ...POLICY, allowed_permissions: ['x'] }, '"x" is not a permission'],
  [POLICIES, { ...POLICY, resources: [] }, '"resources" is not a list of texts'],
  [POLICIES, { ...POLICY, max_ttl: 'long' }, '"long" is not a duration'],
  [POLICIES, { ...POLICY, max_ttl: '0s' }, '"0s" is no time at all'],
  [POLICIES, { ...POLICY, enabled: 'yes' }, '"enabled" is not true or false'],
  [RESOURCES, { uri: 'https://a.example', permissions: ['All!'] }, '"All!" is not a permission'],
  [DELEGATIONS, { client: 'bot', audience: 'https://a.example' }, '"audience" is not a list of texts'],
  [DELEGATIONS, { client: 'bot', ttl: 60 }, '"ttl" is not a text'],
])('$0.one is told what is wrong: $2', (kind, declared, says) => {
  expect(() => parseDeclarations(JSON.stringify(declared), kind)).toThrow(says)
})
