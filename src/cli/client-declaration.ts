import type { ClientRegistration } from '../api/clients.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'

const MEMBERS = ['name', 'email', 'client_type', 'agent_type', 'platform', 'selectors']

/**
 * Reads clients that are declared as JSON, one object or a list, with the members that the server knows. Throws `usage`
 * naming the member that is unknown, missing or of the wrong kind, before anything is registered.
 */
export function parseDeclarations(text: string): ClientRegistration[] {
  const value = parse(text)
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw wrong('it declares no client')
  return list.map((item) => {
    if (!isJsonObject(item)) throw wrong('a client is not an object')
    return toRegistration(item)
  })
}

/** An address that reaches nobody: AuthSec wants one, and .invalid is the domain for that (RFC 2606 §2). */
export function makeUpEmail(name: string): string {
  const local = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
  return `${local || 'client'}@authsec.invalid`
}

function toRegistration(item: JsonObject): ClientRegistration {
  const unknown = Object.keys(item).find((member) => !MEMBERS.includes(member))
  if (unknown !== undefined) throw wrong(`${quote(unknown)} is not a member of a client`)
  const name = readText(item, 'name')
  if (name === undefined) throw wrong('a client has no name')
  const selectors = item['selectors']
  if (selectors !== undefined && !isTextMap(selectors)) throw wrong('"selectors" is not a map of texts')
  return {
    name,
    email: readText(item, 'email') ?? makeUpEmail(name),
    type: readText(item, 'client_type') ?? ('agent_type' in item ? 'ai_agent' : 'application'),
    agentType: readText(item, 'agent_type'),
    platform: readText(item, 'platform'),
    selectors: selectors as Record<string, string> | undefined,
  }
}

function readText(item: JsonObject, member: string): string | undefined {
  const value = item[member]
  if (value === undefined || typeof value === 'string') return value
  throw wrong(`${quote(member)} is not a text`)
}

function isTextMap(value: Json): boolean {
  return isJsonObject(value) && Object.values(value).every((inner) => typeof inner === 'string')
}

function parse(text: string): Json {
  try {
    return parseStrictJson(text)
  } catch (error) {
    throw wrong(AuthsecError.is(error) ? error.message : 'unreadable')
  }
}

function wrong(why: string): AuthsecError {
  return new AuthsecError('usage', `the declaration of clients cannot be used: ${why}`, {
    hint: `Write {"name": "billing-bot", "agent_type": "langchain"}; members: ${MEMBERS.join(', ')}.`,
  })
}
