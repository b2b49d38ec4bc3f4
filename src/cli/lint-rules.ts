import { MAX_BASE_TTL, MAX_CALL_TTL, MAX_CHAIN_DEPTH } from '../core/delegation.js'
import { formatDuration } from '../core/duration.js'
import { isLoopback } from '../core/server-url.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { readPermissions, readTexts } from './delegation-hops.js'

/** How bad a finding is, the worst first. */
export const LINT_LEVELS = ['error', 'warning', 'note'] as const
export type LintLevel = (typeof LINT_LEVELS)[number]

/** A token as the rules see it; nothing of it is verified. */
export interface LintSubject {
  header: JsonObject
  /** Undefined where they cannot be read. */
  claims: JsonObject | undefined
  /** In characters. */
  size: number
  /** Which kind of token it says to be. */
  kind: 'call' | 'base' | 'other'
  /** Seconds since the epoch. */
  now: number
  /** How long before its end it is replaced, in seconds. */
  refreshBuffer: number | undefined
}

/** One thing that makes a token weak, large or indiscreet although it may verify. The id is stable. */
export interface LintRule {
  id: string
  level: LintLevel
  /** What the rule asks for, as it stands in lists. */
  summary: string
  /** What is wrong with a token, without any value of it that could be a secret; undefined when nothing is. */
  find(token: LintSubject & { claims: JsonObject }): string | undefined
  /** Whether the header alone is enough to look at. */
  needsClaims: boolean
}

/** What a header should not grow beyond: some servers end at 4 KiB of headers in all, most at 8 KiB. */
const LARGE = 4096
const LONG_LIFE = 3600
const PERSONAL = [
  'email',
  'name',
  'given_name',
  'family_name',
  'nickname',
  'preferred_username',
  'phone_number',
]
const MORE_PERSONAL = ['address', 'birthdate', 'gender', 'picture', 'user_email', 'upn']
const SECRET_NAME = /(?:^|_)(?:password|passwd|secret|api_?key|private_?key|refresh_token|access_token)$/i
const EMAIL = /^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/

/** Every rule, in the order in which findings are told. */
export const LINT_RULES: readonly LintRule[] = [
  onHeader('alg-none', 'error', 'the token is signed', ({ header }) =>
    /^none$/i.test(String(header['alg'] ?? 'none'))
      ? 'nobody has signed it: alg is none or missing'
      : undefined,
  ),
  onHeader('alg-symmetric', 'warning', 'the key that verifies cannot sign', ({ header }) =>
    /^HS\d/.test(String(header['alg'])) ? 'whoever can verify it can also make one: alg is HMAC' : undefined,
  ),
  onHeader('header-keys', 'error', 'the header brings no keys along', ({ header }) => {
    const found = ['jku', 'jwk', 'x5u', 'x5c'].filter((name) => name in header)
    return found.length > 0 ? `the header names keys of its own: ${found.join(', ')}` : undefined
  }),
  onHeader('header-crit', 'warning', 'the header demands no extensions', ({ header }) =>
    'crit' in header ? 'the header demands extensions that most verifiers refuse' : undefined,
  ),
  onHeader('kid-missing', 'note', 'the header names its key', ({ header, kind }) =>
    kind !== 'base' && !('kid' in header) ? 'without kid no key can be replaced without a gap' : undefined,
  ),
  onHeader('typ-missing', 'note', 'the header says what kind of token it is', ({ header }) =>
    'typ' in header ? undefined : 'without typ it can be taken for another kind of token (RFC 8725 §3.11)',
  ),
  onHeader('size', 'warning', `the token has at most ${LARGE} characters`, ({ size }) =>
    size > LARGE ? `${size} characters: servers refuse headers that long` : undefined,
  ),
  onClaims('iss-missing', 'error', 'the token names its issuer', ({ claims }) => missing(claims, 'iss')),
  onClaims('iss-insecure', 'warning', 'the issuer is an https address', ({ claims: { iss } }) =>
    typeof iss === 'string' && isInsecure(iss)
      ? 'keys of an http issuer can be replaced on the way'
      : undefined,
  ),
  onClaims('sub-missing', 'warning', 'the token says whom it is about', ({ claims }) =>
    missing(claims, 'sub'),
  ),
  onClaims('aud-missing', 'error', 'the token is for named APIs', ({ claims }) =>
    readTexts(claims['aud']).length === 0 ? 'without aud every API accepts it' : undefined,
  ),
  onClaims('aud-wildcard', 'error', 'the audience is no pattern', ({ claims }) =>
    readTexts(claims['aud']).some((aud) => aud === '' || aud.includes('*'))
      ? 'the audience is empty or a wildcard'
      : undefined,
  ),
  onClaims('aud-many', 'warning', 'a token for a call is for one API', ({ claims, kind }) => {
    const { length } = readTexts(claims['aud'])
    return kind !== 'base' && length > 1 ? `${length} APIs can each use it at the others` : undefined
  }),
  onClaims('exp-missing', 'error', 'the token ends', ({ claims }) =>
    typeof claims['exp'] === 'number' ? undefined : 'without exp it is good for ever',
  ),
  onClaims('iat-missing', 'note', 'the token says when it was issued', ({ claims }) =>
    missing(claims, 'iat'),
  ),
  onClaims(
    'times-disordered',
    'error',
    'the token begins before it ends',
    ({ claims: { exp, iat, nbf } }) => {
      const begin = Math.max(...[iat, nbf].filter((time) => typeof time === 'number'))
      return typeof exp === 'number' && exp <= begin ? 'it ends before it begins' : undefined
    },
  ),
  onClaims('iat-future', 'warning', 'the token was issued in the past', ({ claims: { iat }, now }) =>
    typeof iat === 'number' && iat > now + 60 ? 'it was issued in the future: check the clocks' : undefined,
  ),
  onClaims('lifetime', 'warning', 'the token lives no longer than its kind should', ({ claims, kind }) => {
    const life = readLife(claims)
    const longest = { call: MAX_CALL_TTL, base: MAX_BASE_TTL, other: LONG_LIFE }[kind]
    if (life === undefined || life <= longest) return undefined
    const what = kind === 'other' ? 'a token' : `a ${kind} token`
    return `it lives ${formatDuration(life)}, ${what} should live ${formatDuration(longest)} at most`
  }),
  onClaims(
    'refresh-buffer',
    'warning',
    'the token outlives its refresh buffer',
    ({ claims, refreshBuffer }) => {
      const life = readLife(claims)
      if (life === undefined || refreshBuffer === undefined || life > refreshBuffer) return undefined
      const [lives, buffer] = [formatDuration(life), formatDuration(refreshBuffer)]
      return `it lives ${lives} and is replaced ${buffer} before its end: each use asks for a new one`
    },
  ),
  onClaims('jti-missing', 'note', 'the token has an id', ({ claims }) =>
    'jti' in claims ? undefined : 'without jti it cannot be revoked or found in a log',
  ),
  onClaims('tenant-missing', 'warning', 'a delegation token names its tenant', ({ claims, kind }) =>
    kind !== 'other' && !('tenant_id' in claims) && !('workspace_id' in claims)
      ? 'it names neither tenant_id nor workspace_id'
      : undefined,
  ),
  onClaims('scope-differs', 'error', 'scope and permissions say the same', ({ claims }) => {
    const { scope, permissions } = claims
    if (typeof scope !== 'string' || permissions === undefined) return undefined
    const listed = [...readTexts(permissions)].sort().join(' ')
    return scope.split(' ').filter(Boolean).sort().join(' ') === listed
      ? undefined
      : 'an API that reads the one allows what the other does not'
  }),
  onClaims('permissions-wildcard', 'warning', 'permissions are named one by one', ({ claims }) =>
    readPermissions(claims).some((permission) => permission.includes('*'))
      ? 'a permission is a wildcard'
      : undefined,
  ),
  onClaims('chain-deep', 'error', `at most ${MAX_CHAIN_DEPTH} agents act`, ({ claims }) => {
    const depth = listActors(claims['act']).length
    return depth > MAX_CHAIN_DEPTH ? `${depth} agents are in the chain` : undefined
  }),
  onClaims('act-claims', 'error', 'act says who acts and nothing else', ({ claims }) =>
    listActors(claims['act']).some((actor) => ['exp', 'nbf', 'aud'].some((name) => name in actor))
      ? 'act has exp, nbf or aud, which RFC 8693 §4.1 forbids'
      : undefined,
  ),
  onClaims('binding-type', 'error', 'a bound token has a type of its own', ({ header, claims }) =>
    ('bind' in claims || 'one_time' in claims) && !/authsec-call\+jwt$/i.test(String(header['typ']))
      ? 'a verifier that does not know bindings accepts it without the condition'
      : undefined,
  ),
  onClaims('personal-data', 'warning', 'the token holds no personal data', ({ claims }) => {
    const named = [...PERSONAL, ...MORE_PERSONAL].filter((name) => name in claims && claims[name] !== '')
    const looking = Object.entries(claims).flatMap(([name, value]) => (holdsEmail(value) ? [name] : []))
    const found = [...new Set([...named, ...looking])]
    return found.length > 0 ? `many can read it, and it tells about a person: ${found.join(', ')}` : undefined
  }),
  onClaims('secrets', 'error', 'the token holds no secrets', ({ claims }) => {
    const found = Object.entries(claims).flatMap(([name, value]) => (isSecret(name, value) ? [name] : []))
    return found.length > 0 ? `claims are encoded, not encrypted: ${found.join(', ')}` : undefined
  }),
]

function onHeader(
  id: string,
  level: LintLevel,
  summary: string,
  find: (token: LintSubject) => string | undefined,
): LintRule {
  return { id, level, summary, find, needsClaims: false }
}

function onClaims(id: string, level: LintLevel, summary: string, find: LintRule['find']): LintRule {
  return { id, level, summary, find, needsClaims: true }
}

function missing(claims: JsonObject, name: string): string | undefined {
  return name in claims ? undefined : `${name} is missing`
}

function readLife({ exp, iat, nbf }: JsonObject): number | undefined {
  const begin = typeof iat === 'number' ? iat : nbf
  return typeof exp === 'number' && typeof begin === 'number' ? exp - begin : undefined
}

function isInsecure(iss: string): boolean {
  return iss.startsWith('http://') && !(URL.canParse(iss) && isLoopback(new URL(iss)))
}

function listActors(act: Json | undefined): JsonObject[] {
  return isJsonObject(act) ? [act, ...listActors(act['act'])] : []
}

function holdsEmail(value: Json): boolean {
  if (typeof value === 'string') return EMAIL.test(value)
  if (Array.isArray(value)) return value.some(holdsEmail)
  return isJsonObject(value) && Object.values(value).some(holdsEmail)
}

function isSecret(name: string, value: Json): boolean {
  if (SECRET_NAME.test(name)) return true
  return typeof value === 'string' && /-----BEGIN [A-Z ]*PRIVATE KEY|^eyJ[\w-]+\.eyJ[\w-]+\./.test(value)
}
