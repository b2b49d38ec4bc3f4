import { toPrintable } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { formatRelative, formatTime } from '../core/time.js'
import { formatJson } from './json-text.js'

/** One party of a delegation, as a token names it. */
export interface ChainLink {
  /** The person it is for, the agent that acts now, or one that acted before. */
  role: 'for' | 'by' | 'via'
  id: string
  client_id?: string
}

/** The claims that are instants, in seconds since the epoch. */
const TIMES: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat', 'auth_time', 'updated_at'])

/** Members of a header or of claims as printable pairs; times are absolute and relative. */
export function formatMembers(members: JsonObject, nowMs: number): [name: string, value: string][] {
  return Object.entries(members).map(([name, value]) => [toPrintable(name), formatMember(name, value, nowMs)])
}

/** Who acts for whom: the person first, then the acting agent, then those before it. Nothing of it is verified. */
export function readChain(claims: JsonObject): ChainLink[] {
  const { sub, act, user_id, client_id } = claims
  if (isJsonObject(act)) return [...linkOf('for', sub), ...readActors(act, 'by')]
  // A base token says it the other way round: its subject is the agent.
  if (typeof user_id === 'string') return [...linkOf('for', user_id), ...linkOf('by', sub, client_id)]
  return []
}

/** A chain as printable pairs. */
export function formatChain(chain: readonly ChainLink[]): [role: string, party: string][] {
  return chain.map(({ role, id, client_id }) => {
    const client = client_id === undefined ? '' : `  client ${toPrintable(client_id)}`
    return [ROLES[role], `${toPrintable(id)}${client}`]
  })
}

const ROLES: Readonly<Record<ChainLink['role'], string>> = {
  for: 'for user',
  by: 'by agent',
  via: 'via agent',
}

function formatMember(name: string, value: Json, nowMs: number): string {
  if (TIMES.has(name) && typeof value === 'number') {
    return `${formatTime(value * 1000)}  ${describeTime(name, value, nowMs)}`
  }
  if (typeof value === 'string') return toPrintable(value)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
    return value.map(toPrintable).join(', ')
  }
  return formatJson(value)
}

function describeTime(name: string, seconds: number, nowMs: number): string {
  if (name === 'exp') return describeExpiry(seconds, nowMs)
  const distance = formatRelative(seconds * 1000, nowMs)
  return name === 'nbf' && seconds * 1000 > nowMs ? `not valid yet, ${distance}` : distance
}

/** When a token ends, or has ended, by its `exp`. */
export function describeExpiry(exp: number, nowMs: number): string {
  const distance = formatRelative(exp * 1000, nowMs)
  return exp * 1000 <= nowMs ? `expired ${distance}` : `expires ${distance}`
}

function readActors(act: JsonObject, role: 'by' | 'via'): ChainLink[] {
  const { sub, client_id, act: earlier } = act
  return [...linkOf(role, sub, client_id), ...(isJsonObject(earlier) ? readActors(earlier, 'via') : [])]
}

function linkOf(role: ChainLink['role'], id: Json | undefined, client_id?: Json): ChainLink[] {
  if (typeof id !== 'string') return []
  return [{ role, id, ...(typeof client_id === 'string' && { client_id }) }]
}
