import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import {
  assertKeyRules,
  changeKey,
  findEarliestUse,
  findNextDue,
  isPublished,
  isTrusted,
  type Key,
  type KeyPlan,
  type KeyRules,
  type KeyState,
  planActivation,
  planEmergency,
  planFirst,
  planPreparation,
  planRotation,
  planUpkeep,
} from '../../src/core/keyset.js'

const T0 = 1_000_000
const RULES: KeyRules = { publishSeconds: 10, rotateSeconds: 100, overlapSeconds: 30, keepsPrepared: true }
const BASE: KeyRules = {
  publishSeconds: 0,
  rotateSeconds: undefined,
  overlapSeconds: 30,
  keepsPrepared: false,
}

const FRESH: readonly Key[] = [
  { kid: 'a', state: 'active', createdAt: T0, publishedAt: T0, activatedAt: T0 },
  { kid: 'p', state: 'prepared', createdAt: T0, publishedAt: T0 },
]

describe('a change that must not be', () => {
  test.each([
    { why: 'a key that there is not', plan: () => planActivation(FRESH, 'x', T0, RULES), code: 'not_found' },
    {
      why: 'the key that signs already',
      plan: () => planActivation(FRESH, 'a', T0 + 99_000, RULES),
      code: 'conflict',
    },
    {
      why: 'one millisecond before its time',
      plan: () => planActivation(FRESH, 'p', T0 + 9_999, RULES),
      code: 'conflict',
    },
    {
      why: 'a rotation before its time',
      plan: () => planRotation(FRESH, T0 + 9_999, RULES),
      code: 'conflict',
    },
    {
      why: 'a key that some server may not publish yet',
      plan: () => planRotation([{ kid: 'p', state: 'prepared', createdAt: T0 }], T0 + 99_000, RULES),
      code: 'conflict',
    },
    {
      why: 'a rotation to nothing',
      plan: () => planRotation(FRESH.slice(0, 1), T0, RULES),
      code: 'conflict',
    },
    { why: 'a second prepared key', plan: () => planPreparation(FRESH), code: 'conflict' },
    { why: 'a taint of no key', plan: () => planEmergency(FRESH, 'x', 'tainted', RULES), code: 'not_found' },
  ])('is refused: $why', ({ plan, code }) => {
    expect(plan).toThrow(expect.objectContaining({ code }))
  })

  test.each([
    { state: 'retired', to: 'tainted' },
    { state: 'retired', to: 'revoked' },
    { state: 'revoked', to: 'tainted' },
    { state: 'revoked', to: 'revoked' },
    { state: 'tainted', to: 'tainted' },
  ] as const)('is refused: $state to $to', ({ state, to }) => {
    const keys = [...FRESH, { kid: 'o', state, createdAt: T0 }]
    expect(() => planEmergency(keys, 'o', to, RULES)).toThrow(expect.objectContaining({ code: 'conflict' }))
  })

  test.each<[string, Partial<KeyRules>]>([
    ['before the next one may sign', { rotateSeconds: 9 }],
    ['all the time', { rotateSeconds: 0, publishSeconds: 0 }],
  ])('is refused as a rule: replacing keys %s', (_, rules) => {
    expect(() => assertKeyRules({ ...RULES, ...rules })).toThrow(
      expect.objectContaining({ code: 'configuration', hint: expect.stringContaining('at least') }),
    )
  })
})

test('keys may be replaced as often as they are published and what they signed has ended', () => {
  for (const rules of [
    { rotateSeconds: 30 },
    { rotateSeconds: 60, publishSeconds: 60 },
    { rotateSeconds: 1, publishSeconds: 0, overlapSeconds: 0 },
  ]) {
    expect(() => assertKeyRules({ ...RULES, ...rules })).not.toThrow()
    const sooner = { ...RULES, ...rules, rotateSeconds: rules.rotateSeconds - 1 }
    expect(() => assertKeyRules(sooner)).toThrow(expect.objectContaining({ code: 'configuration' }))
  }
})

describe('the life of a key', () => {
  test.each<[KeyState, { published: boolean; trusted: boolean }]>([
    ['prepared', { published: true, trusted: true }],
    ['active', { published: true, trusted: true }],
    ['retiring', { published: true, trusted: true }],
    ['retired', { published: false, trusted: false }],
    ['tainted', { published: true, trusted: false }],
    ['revoked', { published: false, trusted: false }],
  ])('%s: %j', (state, expected) => {
    expect({ published: isPublished({ state }), trusted: isTrusted({ state }) }).toEqual(expected)
  })

  test('starts with one that signs and one that is prepared, and nobody waits', () => {
    expect(planFirst([], RULES)).toEqual({ changes: [], creates: ['active', 'prepared'] })
    expect(planFirst([], BASE)).toEqual({ changes: [], creates: ['active'] })
    expect(planFirst(FRESH, RULES)).toEqual({ changes: [], creates: [] })
  })

  test('a set from before there was a life cycle gets its prepared key', () => {
    expect(planFirst([{ kid: 'a', state: 'active', createdAt: T0 }], RULES).creates).toEqual(['prepared'])
  })

  test('rotates at its time, keeps the old one for what it signed, then drops it', () => {
    expect(findNextDue(FRESH, RULES)).toBe(T0 + 100_000)
    expect(planUpkeep(FRESH, T0 + 99_999, RULES)).toEqual({ changes: [], creates: [] })
    const rotated = apply(FRESH, planUpkeep(FRESH, T0 + 100_000, RULES), T0 + 100_000)
    expect(rotated.map(({ kid, state }) => `${kid} ${state}`)).toEqual([
      'a retiring',
      'p active',
      'new2 prepared',
    ])
    expect(findNextDue(rotated, RULES)).toBe(T0 + 130_000)
    expect(planUpkeep(rotated, T0 + 129_999, RULES).changes).toEqual([])
    expect(planUpkeep(rotated, T0 + 130_000, RULES).changes).toEqual([{ kid: 'a', to: 'retired' }])
  })

  test('counts from when it signed last, whatever becomes of it after that', () => {
    const [active] = FRESH as [Key]
    const retiring = changeKey(active, 'retiring', T0 + 5)
    expect(changeKey(retiring, 'tainted', T0 + 9)).toMatchObject({ state: 'tainted', stoppedAt: T0 + 5 })
  })

  test('a taint does not wait for anything', () => {
    expect(planEmergency(FRESH, 'a', 'tainted', RULES)).toEqual({
      changes: [
        { kid: 'a', to: 'tainted' },
        { kid: 'p', to: 'active' },
      ],
      creates: ['prepared'],
    })
    expect(planEmergency(FRESH.slice(0, 1), 'a', 'revoked', BASE)).toEqual({
      changes: [{ kid: 'a', to: 'revoked' }],
      creates: ['active'],
    })
    expect(planEmergency(FRESH, 'p', 'revoked', RULES)).toEqual({
      changes: [{ kid: 'p', to: 'revoked' }],
      creates: ['prepared'],
    })
  })

  test('base tokens have no overlap to wait for: a rotation makes the key that signs', () => {
    expect(planRotation(FRESH.slice(0, 1), T0, BASE)).toEqual({
      changes: [{ kid: 'a', to: 'retiring' }],
      creates: ['active'],
    })
    expect(findNextDue(FRESH.slice(0, 1), BASE)).toBeUndefined()
  })
})

describe('whatever happens, in whatever order', () => {
  const RULE_SETS = fc.record({
    publishSeconds: fc.integer({ min: 0, max: 20 }),
    rotateSeconds: fc.option(fc.integer({ min: 40, max: 90 }), { nil: undefined }),
    overlapSeconds: fc.integer({ min: 1, max: 40 }),
    keepsPrepared: fc.boolean(),
  })
  const STEPS = fc.array(
    fc.record({
      // A clock may go backwards too.
      wait: fc.integer({ min: -20_000, max: 120_000 }),
      action: fc.constantFrom('upkeep', 'rotate', 'prepare', 'activate', 'tainted', 'revoked'),
      which: fc.nat(20),
    }),
    { maxLength: 40 },
  )

  test('exactly one key signs, its verifiers know it, and what it signed outlives it by nothing', () => {
    fc.assert(
      fc.property(RULE_SETS, STEPS, (rules, steps) => {
        let now = T0
        let keys = apply([], planFirst([], rules), now)
        for (const { wait, action, which } of steps) {
          now += wait
          const kid = keys[which % keys.length]?.kid ?? ''
          const before = keys
          keys = attempt(keys, now, rules, action, kid)
          assertStep(before, keys, { now, rules, isEmergency: action === 'tainted' || action === 'revoked' })
        }
      }),
      { numRuns: 300 },
    )
  })

  test('upkeep settles at once and is never due in the past afterwards', () => {
    fc.assert(
      fc.property(RULE_SETS, STEPS, (rules, steps) => {
        let now = T0
        let keys = apply([], planFirst([], rules), now)
        for (const { wait, action, which } of steps) {
          now += Math.abs(wait)
          keys = attempt(keys, now, rules, action, keys[which % keys.length]?.kid ?? '')
          keys = apply(keys, planUpkeep(keys, now, rules), now)
          expect(planUpkeep(keys, now, rules)).toEqual({ changes: [], creates: [] })
          expect(findNextDue(keys, rules) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now)
        }
      }),
      { numRuns: 200 },
    )
  })
})

function assertStep(
  before: readonly Key[],
  after: readonly Key[],
  { now, rules, isEmergency }: { now: number; rules: KeyRules; isEmergency: boolean },
): void {
  const [active, ...more] = after.filter(({ state }) => state === 'active')
  expect(more).toEqual([])
  expect(active).toBeDefined()
  const prepared = after.filter(({ state }) => state === 'prepared').length
  expect(prepared).toBeLessThanOrEqual(1)
  if (rules.keepsPrepared) expect(prepared).toBe(1)

  const wasActive = before.find(({ kid }) => kid === active?.kid)
  if (wasActive?.state !== 'active' && !isEmergency && rules.publishSeconds > 0) {
    // A new one signs only when every verifier has had the time to learn of it.
    expect(wasActive?.state).toBe('prepared')
    expect(now).toBeGreaterThanOrEqual(findEarliestUse(wasActive as Key, rules) ?? Number.POSITIVE_INFINITY)
  }
  for (const { kid, state } of after) {
    const old = before.find((key) => key.kid === kid)
    if (old === undefined || old.state === state) continue
    expect(LEGAL[old.state]).toContain(state)
    if (state === 'retired') {
      expect(now).toBeGreaterThanOrEqual((old.stoppedAt ?? 0) + rules.overlapSeconds * 1000)
    }
  }
}

const LEGAL: Readonly<Record<KeyState, readonly KeyState[]>> = {
  prepared: ['active', 'tainted', 'revoked'],
  active: ['retiring', 'tainted', 'revoked'],
  retiring: ['retired', 'tainted', 'revoked'],
  tainted: ['revoked'],
  retired: [],
  revoked: [],
}

function attempt(keys: readonly Key[], now: number, rules: KeyRules, action: string, kid: string): Key[] {
  try {
    return apply(keys, plan(keys, now, rules, action, kid), now)
  } catch (error) {
    if (AuthsecError.is(error, 'conflict')) return [...keys]
    throw error
  }
}

function plan(keys: readonly Key[], now: number, rules: KeyRules, action: string, kid: string): KeyPlan {
  switch (action) {
    case 'rotate':
      return planRotation(keys, now, rules)
    case 'prepare':
      return planPreparation(keys)
    case 'activate':
      return planActivation(keys, kid, now, rules)
    case 'tainted':
    case 'revoked':
      return planEmergency(keys, kid, action, rules)
    default:
      return planUpkeep(keys, now, rules)
  }
}

function apply(keys: readonly Key[], { changes, creates }: KeyPlan, now: number): Key[] {
  const changed = keys.map((key) => {
    const change = changes.find(({ kid }) => kid === key.kid)
    return change ? changeKey(key, change.to, now) : key
  })
  const made = creates.map((state, index): Key => {
    const kid = `new${keys.length + index}`
    return { kid, state, createdAt: now, publishedAt: now, ...(state === 'active' && { activatedAt: now }) }
  })
  return [...changed, ...made]
}
