import type { PolicyTerms } from '../api/policies.js'
import { parseDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { parsePermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'

const MEMBERS = [
  'role_name',
  'agent_type',
  'allowed_permissions',
  'resources',
  'max_ttl',
  'enabled',
  'client_id',
]

/**
 * Reads policies that are declared as JSON, one object or a list, with the members of the server; `max_ttl` is a
 * duration such as 8h. Throws `usage` naming what is unknown, missing or wrong, before anything is created.
 */
export function parsePolicies(text: string): PolicyTerms[] {
  const list = [parse(text)].flat()
  if (list.length === 0) throw wrong('it declares no policy')
  return list.map((item) => {
    if (!isJsonObject(item)) throw wrong('a policy is not an object')
    return toTerms(item)
  })
}

function toTerms(item: JsonObject): PolicyTerms {
  const unknown = Object.keys(item).find((member) => !MEMBERS.includes(member))
  if (unknown !== undefined) throw wrong(`${quote(unknown)} is not a member of a policy`)
  const enabled = item['enabled'] ?? true
  if (typeof enabled !== 'boolean') throw wrong('"enabled" is neither true nor false')
  return {
    role: readText(item, 'role_name'),
    agentType: readText(item, 'agent_type'),
    permissions: guard(() => [...parsePermissions(readTexts(item, 'allowed_permissions'))]),
    resources: readTexts(item, 'resources'),
    maxTtlSeconds: guard(() => parseDuration(readText(item, 'max_ttl'))),
    enabled,
    clientId: item['client_id'] === undefined ? undefined : readText(item, 'client_id'),
  }
}

function readText(item: JsonObject, member: string): string {
  const value = item[member]
  if (typeof value === 'string' && value !== '') return value
  throw wrong(value === undefined ? `a policy has no ${quote(member)}` : `${quote(member)} is not a text`)
}

function readTexts(item: JsonObject, member: string): string[] {
  const value = item[member]
  if (Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string'))
    return value
  throw wrong(
    value === undefined ? `a policy has no ${quote(member)}` : `${quote(member)} is not a list of texts`,
  )
}

function parse(text: string): Json {
  return guard(() => parseStrictJson(text))
}

function guard<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (AuthsecError.is(error) && error.code === 'usage' && error.message.startsWith(PROBLEM)) throw error
    throw wrong(AuthsecError.is(error) ? error.message : 'unreadable')
  }
}

const PROBLEM = 'the declaration of policies cannot be used'

function wrong(why: string): AuthsecError {
  return new AuthsecError('usage', `${PROBLEM}: ${why}`, {
    hint: `Its members are ${MEMBERS.join(', ')}; max_ttl is a duration such as 8h.`,
  })
}
