import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'
import { readPermissions } from './delegation-hops.js'
import { readPath } from './json-path.js'

/** What one check of a token found; the shape in which every check is reported. */
export interface Finding {
  name: string
  outcome: 'ok' | 'failed' | 'skipped'
  /** A few printable words. */
  detail: string
  /** Of a failed check only. */
  code?: ErrorCode
}

/** A claim that has to be there, and what it has to say. */
export interface Requirement {
  claim: string
  value: string | undefined
}

/** Reads `--require`: a claim, or a claim and its value; throws `usage`. */
export function parseRequirement(text: string): Requirement {
  const [, claim = '', value] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? []
  if (claim !== '') return { claim, value }
  throw new AuthsecError('usage', `${quote(text)} is not a requirement`, {
    hint: 'Write a claim, or a claim and its value as sub=alice. Dots lead inside: act.client_id.',
  })
}

/** Whether the claims say what is required of them; a list does when one of its members does. */
export function checkRequirement(claims: JsonObject, { claim, value }: Requirement): Finding {
  const name = `claim ${toPrintable(claim)}`
  const actual = readPath(claims, claim)
  if (actual === undefined) return failed(name, 'claim_invalid', 'missing')
  const texts = (Array.isArray(actual) ? actual : [actual]).map(toText)
  if (value === undefined || texts.includes(value)) return { name, outcome: 'ok', detail: quote(actual) }
  return failed(name, 'claim_invalid', `${quote(actual)}, not ${quote(value)}`)
}

/** Whether the type of a token is the one that is expected, RFC 8725 §3.11. */
export function checkType({ typ }: JsonObject, expected: string): Finding {
  const bare = (text: string) => text.toLowerCase().replace(/^application\//, '')
  if (typeof typ === 'string' && bare(typ) === bare(expected)) {
    return { name: 'type', outcome: 'ok', detail: quote(typ) }
  }
  const actual = typ === undefined ? 'missing' : quote(typ)
  return failed('type', 'type_mismatch', `the type is ${actual}, not ${quote(expected)}`)
}

/** Whether the algorithm is one of those that are pinned, where the kind of token leaves no choice itself. */
export function checkAlgorithm({ alg }: JsonObject, allowed: readonly string[]): Finding {
  if (allowed.includes(String(alg))) return { name: 'algorithm', outcome: 'ok', detail: quote(alg) }
  return failed(
    'algorithm',
    'algorithm_rejected',
    `the algorithm is ${quote(alg)}, allowed is ${allowed.join(', ')}`,
  )
}

/** Whether a token of whatever kind carries permissions. */
export function checkPermissions(claims: JsonObject, asked: readonly string[]): Finding {
  const held = readPermissions(claims)
  const missing = asked.filter((permission) => !held.includes(permission))
  if (missing.length === 0) return { name: 'permissions', outcome: 'ok', detail: asked.join(' ') }
  return failed('permissions', 'permission_missing', `the token does not carry ${missing.join(' ')}`)
}

function toText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function failed(name: string, code: ErrorCode, detail: string): Finding {
  return { name, outcome: 'failed', code, detail }
}
