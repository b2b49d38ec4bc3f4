import { describe, expect, test } from 'vitest'
import { assertTrustTerms, compareTrust, matchesPattern } from '../../src/core/trust-rule.js'

const RULE = {
  issuer: 'https://ci.example',
  audience: 'https://authsec.example',
  subject: 'repo:acme/shop:ref:refs/heads/*',
  claims: { environment: 'production' },
}
const GITHUB = 'https://token.actions.githubusercontent.com'

describe('a pattern', () => {
  test.each([
    ['repo:acme/shop:*', 'repo:acme/shop:pull_request', true],
    ['repo:acme/shop:*', 'repo:acme/shop:ref:refs/heads/main', false],
    ['repo:acme/shop:**', 'repo:acme/shop:ref:refs/heads/main', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/shop:ref:refs/heads/main', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/shop:x:ref:refs/heads/main', false],
    ['refs/heads/*', 'refs/heads/', false],
    ['refs/heads/**', 'refs/heads/', false],
    ['main', 'main', true],
    ['main', 'xmain', false],
    ['main', 'mainx', false],
    ['main', 'MAIN', false],
    ['m.in', 'main', false],
    ['a*c*e', 'abcde', true],
    ['a**', 'a\nb', true],
    ['1', 1, true],
    ['true', true, true],
    ['**', '', false],
    ['**', null, false],
    ['**', undefined, false],
    ['**', ['main'], false],
    ['**', {}, false],
  ])('%j describes %j: %j', (pattern, value, matches) => {
    expect(matchesPattern(pattern, value)).toBe(matches)
  })

  test('is compared in a moment with whatever a stranger has chosen', () => {
    expect(matchesPattern('**x**x**x**y', 'x'.repeat(8_000))).toBe(false)
  })
})

describe('a rule', () => {
  const said = { iss: RULE.issuer, aud: RULE.audience, sub: 'repo:acme/shop:ref:refs/heads/main' }

  test.each([
    { why: 'all matches', claims: { ...said, environment: 'production' }, wrong: [] },
    {
      why: 'the audience is a list',
      claims: { ...said, aud: [RULE.audience], environment: 'production' },
      wrong: [],
    },
    {
      why: 'it is one of several audiences',
      claims: { ...said, aud: ['x', RULE.audience], environment: 'production' },
      wrong: ['aud'],
    },
    { why: 'it is for nobody', claims: { ...said, aud: [], environment: 'production' }, wrong: ['aud'] },
    { why: 'a claim is missing', claims: said, wrong: ['environment'] },
    { why: 'the token says nothing', claims: {}, wrong: ['iss', 'aud', 'sub', 'environment'] },
    {
      why: 'the issuer has a slash more',
      claims: { ...said, iss: `${RULE.issuer}/`, environment: 'production' },
      wrong: ['iss'],
    },
    {
      why: 'the audience only begins so',
      claims: { ...said, aud: `${RULE.audience}.evil`, environment: 'production' },
      wrong: ['aud'],
    },
  ])('tells field by field, where $why', ({ claims, wrong }) => {
    const fields = compareTrust(RULE, claims)
    expect(fields.map(({ field }) => field)).toEqual(['iss', 'aud', 'sub', 'environment'])
    expect(fields.filter(({ matches }) => !matches).map(({ field }) => field)).toEqual(wrong)
  })

  test('takes what every object has for no claim', () => {
    const fields = compareTrust({ ...RULE, claims: { constructor: '**' } }, said)
    expect(fields.at(-1)).toEqual({ field: 'constructor', wants: '**', says: undefined, matches: false })
  })

  test.each([
    { why: 'begins with a star', rule: { subject: '**' }, says: /begins with a star/ },
    { why: 'has no subject', rule: { subject: '' }, says: /"subject" has to have 1 to 512/ },
    { why: 'has no audience', rule: { audience: '' }, says: /audience .* has to have 1 to 512/ },
    { why: 'has a long audience', rule: { audience: 'a'.repeat(513) }, says: /has to have 1 to 512/ },
    { why: 'has an unprintable audience', rule: { audience: 'a\u0000' }, says: /has to have 1 to 512/ },
    { why: 'has a long issuer', rule: { issuer: 'a'.repeat(513) }, says: /has to have 1 to 512/ },
    { why: 'has too many stars', rule: { subject: 'a*b*c*d*e*f' }, says: /at most 4 stars/ },
    { why: 'repeats a field', rule: { claims: { aud: 'x' } }, says: /"aud" cannot be one of the claims/ },
    { why: 'believes all of GitHub', rule: { issuer: GITHUB, subject: 'repo:**' }, says: /names no owner/ },
    {
      why: 'lets the owner open',
      rule: { issuer: GITHUB, subject: 'repo:ac*/shop:**' },
      says: /names no owner/,
    },
    {
      why: 'names a pattern of owners',
      rule: { issuer: GITHUB, subject: 'repo:**', claims: { repository_owner: 'ac*' } },
      says: /names no owner/,
    },
  ])('that $why is refused', ({ rule, says }) => {
    expect(() => assertTrustTerms({ ...RULE, ...rule })).toThrow(says)
  })

  test.each([
    { issuer: GITHUB, subject: 'repo:acme/**' },
    { issuer: GITHUB, subject: 'repo:**', claims: { repository_owner_id: '1' } },
    { issuer: 'https://gitlab.com', subject: 'project_path:acme/shop:**' },
  ])('that names its owner is taken: %j', (rule) => {
    expect(() => assertTrustTerms({ ...RULE, ...rule })).not.toThrow()
  })
})
