import { sortPermissions } from '../core/permission.js'
import type { CallRequest, DelegationRequest } from './request.js'

/** One text of several, each with its length, so that no two lists look the same. */
export function formatParties(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join('')
}

/**
 * The exact identity of a call token. Each text carries its length, so that no two requests share a key
 * whatever the texts hold, and nothing is hashed: it is made wherever the last one cannot be used. Absent and empty
 * differ.
 */
export function formatCallKey(
  prefix: string,
  audience: string,
  permissions: readonly string[] | undefined,
  tool: string | undefined,
  ttlSeconds: number | undefined,
  isBoundToTool = false,
): string {
  let key = `${prefix}${audience.length}:${audience}`
  if (permissions !== undefined) {
    const sorted = isSorted(permissions) ? permissions : sortPermissions(permissions)
    key += `p${sorted.length}`
    for (const permission of sorted) key += `,${permission.length}:${permission}`
  }
  if (tool !== undefined) key += `t${tool.length}:${tool}`
  if (ttlSeconds !== undefined) key += `s${ttlSeconds}`
  return isBoundToTool ? `${key}b` : key
}

/** The same of a request that has been checked; what is for one call or one use has a key that nothing else has. */
export function formatCheckedKey(
  prefix: string,
  { audience, permissions, tool, ttlSeconds, bind, args, oneTime }: CallRequest,
): string {
  const key = formatCallKey(prefix, audience, permissions, tool, ttlSeconds, bind.length > 0)
  return args === undefined && !oneTime ? key : `${key}o${oneTime}${JSON.stringify(args)}`
}

/** Whether a request that has not been checked may be answered from the cache. */
export function mayBeKept({ binding, call, oneTime }: DelegationRequest): boolean {
  return call === undefined && !oneTime && (binding === undefined || binding === 'none' || binding === 'tool')
}

/** The key of a request that has not been checked; undefined where nothing is kept for it. */
export type KeyOfRequest = (prefix: string, request: DelegationRequest) => string | undefined

/**
 * Formats the keys of requests, and has the last one at hand: an agent asks for the same token over and over, and to
 * spell its key out, and hash that, is most of the work of a cache hit. Whether a request is the same is read from
 * its members each time: the caller may have changed them since.
 */
export function createKeyOfRequest(): KeyOfRequest {
  let last: { prefix: string; request: DelegationRequest; key: string } | undefined

  return (prefix, request) => {
    if (last !== undefined && last.prefix === prefix && wantsSame(last.request, request)) return last.key
    const { audience, permissions, tool, binding, ttlSeconds } = request
    if (!isText(audience) || !(tool === undefined || isText(tool)) || !mayBeKept(request)) return undefined
    if (permissions !== undefined && !(Array.isArray(permissions) && permissions.every(isText)))
      return undefined
    const key = formatCallKey(prefix, audience, permissions, tool, ttlSeconds, binding === 'tool')
    last = {
      prefix,
      request: { audience, permissions: permissions?.slice(), tool, binding, ttlSeconds },
      key,
    }
    return key
  }
}

// Of the members that decide about a key; the others are those of a request for which nothing is kept.
function wantsSame(one: DelegationRequest, other: DelegationRequest): boolean {
  return (
    one.audience === other.audience &&
    one.tool === other.tool &&
    one.binding === other.binding &&
    one.ttlSeconds === other.ttlSeconds &&
    other.call === undefined &&
    !other.oneTime &&
    hasSameTexts(one.permissions, other.permissions)
  )
}

function hasSameTexts(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (!Array.isArray(other) || one.length !== other.length) return false
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false
  return true
}

function isSorted(texts: readonly string[]): boolean {
  for (let index = 1; index < texts.length; index++) {
    if (!((texts[index - 1] as string) < (texts[index] as string))) return false
  }
  return true
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
