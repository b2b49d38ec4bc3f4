import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'

/** How a token differs from the one it was exchanged for. Nothing of it is verified. */
export interface Hop {
  from: string
  to: string
  permissions: readonly string[]
  /** What the parent allowed and the child does not. */
  dropped: readonly string[]
  /** What the child allows and the parent did not: no server does that, so somebody else made one of them. */
  widened: readonly string[]
  audience: readonly string[]
  parent_audience: readonly string[]
  /** In seconds; null where the claims do not say. */
  lifetime: number | null
  parent_lifetime: number | null
  /** The conditions that the child adds, such as a tool. */
  added: readonly string[]
}

/** Claims by which a token is worth less than its parent. */
const CONDITIONS = ['tool', 'bind', 'call', 'one_time', 'may_act', 'cnf']

/**
 * Puts the parents of a token in order, the first ancestor first, and tells what each hop narrowed. Throws
 * `conflict` for a parent from which the token does not descend.
 */
export function readHops(claims: JsonObject, parents: readonly JsonObject[]): Hop[] {
  const hops: Hop[] = []
  const left = new Set(parents)
  let child = claims
  for (let parent = findParent(child, left); parent !== undefined; parent = findParent(child, left)) {
    left.delete(parent)
    hops.unshift(compare(parent, child))
    child = parent
  }
  const [stranger] = left
  if (stranger === undefined) return hops
  throw new AuthsecError('conflict', `the token ${quote(stranger['jti'])} is no ancestor of this one`, {
    hint: `Give the token whose jti is ${toPrintable(String(child['parent_jti'] ?? 'that of a parent'))}.`,
  })
}

/** A hop in words, for people. */
export function formatHop(hop: Hop): [name: string, value: string][] {
  const { permissions, dropped, widened, audience, parent_audience, lifetime, parent_lifetime, added } = hop
  const lines: [string, string][] = [
    ['permissions', `${join(permissions)}${dropped.length > 0 ? `  (dropped: ${join(dropped)})` : ''}`],
    ['WIDENED', join(widened)],
    ['audience', from(join(audience), join(parent_audience))],
    ['lifetime', from(describeLife(lifetime), describeLife(parent_lifetime))],
    ['only for', join(added)],
  ]
  return lines.filter(([, value]) => value !== '')
}

/** What a claim that is a list of texts, or one text, holds. */
export function readTexts(value: Json | undefined): string[] {
  const list = Array.isArray(value) ? value : [value]
  return list.filter((item): item is string => typeof item === 'string')
}

/** The permissions of a token; of one that knows only `scope` those in there. */
export function readPermissions({ permissions, scope }: JsonObject): string[] {
  if (permissions !== undefined) return readTexts(permissions)
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}

function findParent({ parent_jti }: JsonObject, among: ReadonlySet<JsonObject>): JsonObject | undefined {
  return [...among].find(({ jti }) => typeof jti === 'string' && jti === parent_jti)
}

function compare(parent: JsonObject, child: JsonObject): Hop {
  const [had, has] = [readPermissions(parent), readPermissions(child)]
  return {
    from: String(parent['jti']),
    to: String(child['jti'] ?? ''),
    permissions: has,
    dropped: had.filter((permission) => !has.includes(permission)),
    widened: has.filter((permission) => !had.includes(permission)),
    audience: readTexts(child['aud']),
    parent_audience: readTexts(parent['aud']),
    lifetime: readLife(child),
    parent_lifetime: readLife(parent),
    added: CONDITIONS.filter((claim) => claim in child && !(claim in parent)),
  }
}

function readLife({ exp, iat }: JsonObject): number | null {
  return typeof exp === 'number' && typeof iat === 'number' ? exp - iat : null
}

function describeLife(seconds: number | null): string {
  return seconds === null ? '' : formatDuration(seconds)
}

function from(now: string, before: string): string {
  return now === before || before === '' ? now : `${now}  (of ${before})`
}

function join(texts: readonly string[]): string {
  return texts.map(toPrintable).join(', ')
}
