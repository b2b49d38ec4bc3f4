import { AuthsecError } from './errors.js'
import { quote } from './printable.js'
import type { Json, JsonObject } from './strict-json.js'

/** Which identity tokens of another issuer, such as a CI system, are believed: every field has to match. */
export interface TrustTerms {
  /** Exactly the `iss`; its key set is found by discovery. */
  issuer: string
  /**
   * Exactly the `aud`, and no other beside it: what another service would take as well could have been taken from there
   * (RFC 7523 §3).
   */
  audience: string
  /** A pattern for the whole `sub`. */
  subject: string
  /** Patterns for the whole of further claims, by their names. */
  claims: Readonly<Record<string, string>>
}

/** How one field of a rule compares with what an identity token says. */
export interface TrustComparison {
  /** `iss`, `aud`, `sub` or the name of another claim. */
  field: string
  wants: string
  /** Undefined where the token does not say. */
  says: Json | undefined
  matches: boolean
}

const MAX_TEXT_LENGTH = 512
const MAX_PATTERN_LENGTH = 512
const MAX_STARS = 4
const MAX_CLAIMS = 16
// What a rule says by other means, or what changes with every token.
const RESERVED_CLAIMS = ['iss', 'aud', 'sub', 'exp', 'iat', 'nbf', 'jti']

/** Issuers that serve everybody: without an owner a rule would believe strangers. */
const SHARED_ISSUERS: Readonly<Record<string, { subject: RegExp; claims: readonly string[] }>> = {
  'https://token.actions.githubusercontent.com': {
    subject: /^repo:[^*/:]+\//,
    claims: ['repository', 'repository_id', 'repository_owner', 'repository_owner_id'],
  },
  'https://gitlab.com': {
    subject: /^project_path:[^*/:]+\//,
    claims: ['namespace_id', 'namespace_path', 'project_id', 'project_path'],
  },
}

/** Every field of a rule beside what the claims of an identity token say there. */
export function compareTrust(
  { issuer, audience, subject, claims }: TrustTerms,
  said: JsonObject,
): TrustComparison[] {
  return [
    { field: 'iss', wants: issuer, says: said['iss'], matches: said['iss'] === issuer },
    { field: 'aud', wants: audience, says: said['aud'], matches: isFor(audience, said['aud']) },
    ...Object.entries({ sub: subject, ...claims }).map(([field, wants]) => {
      const says = Object.hasOwn(said, field) ? said[field] : undefined
      return { field, wants, says, matches: matchesPattern(wants, says) }
    }),
  ]
}

function isFor(audience: string, aud: Json | undefined): boolean {
  const named = [aud].flat()
  return named.length > 0 && named.every((name) => name === audience)
}

/**
 * Whether a pattern describes the whole of a value: `*` stands for anything but `/` and `:`, `**` for anything, and
 * neither for nothing. Numbers and flags are compared as JSON writes them; no other value matches.
 */
export function matchesPattern(pattern: string, value: Json | undefined): boolean {
  if (!['string', 'number', 'boolean'].includes(typeof value)) return false
  const text = String(value)
  const parts = pattern.split(/(\*+)/).filter((part) => part !== '')
  return parts.reduce((places, part) => advance(places, part, text), new Set([0])).has(text.length)
}

// From the places in the text that are reached to those behind one more part: no regular expression, whose time a
// hostile value could stretch.
function advance(places: ReadonlySet<number>, part: string, text: string): Set<number> {
  if (!part.startsWith('*')) {
    return new Set([...places].filter((at) => text.startsWith(part, at)).map((at) => at + part.length))
  }
  const reached = new Set<number>()
  let isOpen = false
  for (const [at, unit] of text.split('').entries()) {
    const isBarred = part === '*' && (unit === '/' || unit === ':')
    isOpen = (isOpen || places.has(at)) && !isBarred
    if (isOpen) reached.add(at + 1)
  }
  return reached
}

/** Throws `invalid_request` for a rule that is none and for one that would believe strangers. */
export function assertTrustTerms({ issuer, audience, subject, claims }: TrustTerms): void {
  assertText('issuer', issuer)
  assertText('audience', audience)
  for (const [name, pattern] of Object.entries({ subject, ...claims })) assertPattern(name, pattern)
  if (Object.keys(claims).length > MAX_CLAIMS) throw invalid(`a rule has at most ${MAX_CLAIMS} claims`)
  const reserved = Object.keys(claims).find((name) => name === '' || RESERVED_CLAIMS.includes(name))
  if (reserved !== undefined) throw invalid(`${quote(reserved)} cannot be one of the claims`)
  if (subject.startsWith('*')) {
    throw invalid(
      `subject ${quote(subject)} begins with a star`,
      'Begin it with what all that is meant has in common.',
    )
  }
  assertOwner({ issuer, audience, subject, claims })
}

// It is shown to people, and compared with what strangers send.
function assertText(name: string, text: string): void {
  const isShort = text !== '' && text.length <= MAX_TEXT_LENGTH
  if (isShort && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return
  throw invalid(`${name} ${quote(text)} has to have 1 to ${MAX_TEXT_LENGTH} characters that can be printed`)
}

function assertPattern(name: string, pattern: string): void {
  if (pattern !== '' && pattern.length <= MAX_PATTERN_LENGTH && pattern.split(/\*+/).length <= MAX_STARS + 1)
    return
  throw invalid(
    `the pattern of ${quote(name)} has to have 1 to ${MAX_PATTERN_LENGTH} characters and at most ${MAX_STARS} stars`,
  )
}

function assertOwner({ issuer, subject, claims }: TrustTerms): void {
  const shared = Object.hasOwn(SHARED_ISSUERS, issuer) ? SHARED_ISSUERS[issuer] : undefined
  if (shared === undefined || shared.subject.test(subject)) return
  if (shared.claims.some((name) => /^[^*]+$/.test(claims[name] ?? ''))) return
  throw invalid(
    `${issuer} signs for everybody, and the rule names no owner`,
    `Begin the subject with the owner, or name one in ${shared.claims.join(', ')}.`,
  )
}

function invalid(message: string, hint?: string): AuthsecError {
  return new AuthsecError('invalid_request', message, { ...(hint !== undefined && { hint }) })
}
