import { BINDINGS, type Binding, parseBindings, parseCallArguments } from '../../core/call-binding.js'
import type { AskedTerms } from '../../core/call-terms.js'
import { TOKEN_TYPE_ACCESS_TOKEN } from '../../core/claims.js'
import { AuthsecError } from '../../core/errors.js'
import { type Permissions, sortPermissions } from '../../core/permission.js'
import { type MayAct, parseMayAct } from '../../core/presenting.js'
import { quote } from '../../core/printable.js'
import { parseStrictJson } from '../../core/strict-json.js'
import type { Attempt } from '../audit/log.js'
import { TOKEN_KINDS, type TokenKind } from '../presented-tokens.js'
import { type AskedDetails, readAuthorizationDetails } from './authorization-details.js'
import { readResource, readScope, readTtl } from './request-fields.js'

/** A token that a request carries, and as which kind: nothing of it has been checked. */
export interface CarriedToken {
  token: string
  kind: TokenKind
}

/** What is asked of a call token, by whatever grant. */
export interface CallRequest {
  resource: string
  permissions: Permissions | undefined
  ttlSeconds: number | undefined
  terms: AskedTerms
  /** Who alone may act next. */
  mayAct: MayAct | undefined
  /** Whether the terms came in `authorization_details`, which are then answered in kind (RFC 9396 §7). */
  hasDetails: boolean
}

/** What a token exchange asks for (RFC 8693 §2.1), read from its form. */
export interface ExchangeRequest extends CallRequest {
  subject: CarriedToken
  actor: CarriedToken | undefined
}

const MAX_TOOL_LENGTH = 128

/** Reads an exchange and notes what it asks for; throws what `readCallRequest` throws, and `invalid_request`. */
export function readExchangeRequest(form: ReadonlyMap<string, string>, attempt: Attempt): ExchangeRequest {
  const request = readCallRequest(form, attempt)
  const requested = form.get('requested_token_type')
  if (requested !== undefined && requested !== TOKEN_TYPE_ACCESS_TOKEN) {
    throw new AuthsecError('invalid_request', `requested_token_type ${quote(requested)} is not offered`)
  }
  const subject = readCarried(form, 'subject_token')
  if (subject === undefined) throw new AuthsecError('invalid_request', 'subject_token is missing')
  return { subject, actor: readActor(form), ...request }
}

/**
 * Reads what is asked of a call token and notes it. Throws `invalid_request`, `invalid_target`, `invalid_scope` or
 * `invalid_authorization_details`.
 */
export function readCallRequest(form: ReadonlyMap<string, string>, attempt: Attempt): CallRequest {
  const resource = readResource(form)
  attempt.note({ aud: [resource] })
  const permissions = readScope(form)
  if (permissions) attempt.note({ permissions: { asked: sortPermissions(permissions) } })
  const details = readAuthorizationDetails(form.get('authorization_details'))
  const inForm = { ttlSeconds: readTtl(form), ...readTerms(form) }
  const terms = details === undefined ? inForm : joinDoors<AskedDetails>(inForm, details)
  const { ttlSeconds } = terms
  assertTool(terms.tool)
  attempt.note({ details: describeTerms(terms) })
  const mayAct = readMayAct(form.get('may_act'))
  return { resource, permissions, ttlSeconds, terms, mayAct, hasDetails: details !== undefined }
}

function readTerms(form: ReadonlyMap<string, string>): AskedTerms {
  const call = form.get('call')
  return {
    tool: form.get('tool'),
    bind: readBind(form.get('bind')),
    oneTime: readFlag(form.get('one_time')),
    args: call === undefined ? undefined : parseCallArguments(call),
  }
}

function readBind(text: string | undefined): readonly Binding[] | undefined {
  return text === undefined ? undefined : parseBindings(text.split(' '))
}

function readFlag(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') {
    throw new AuthsecError('invalid_request', `one_time ${quote(text)} is neither true nor false`)
  }
  return text === 'true'
}

function readActor(form: ReadonlyMap<string, string>): CarriedToken | undefined {
  const actor = readCarried(form, 'actor_token')
  if (actor === undefined || actor.kind.provesActor) return actor
  throw new AuthsecError('invalid_request', 'a session is of a user and proves no actor')
}

// RFC 8693 §2.1: the type is there exactly when the token is.
function readCarried(
  form: ReadonlyMap<string, string>,
  name: 'subject_token' | 'actor_token',
): CarriedToken | undefined {
  const token = form.get(name)
  const type = form.get(`${name}_type`)
  if (token === undefined) {
    if (type === undefined) return undefined
    throw new AuthsecError('invalid_request', `${name}_type without ${name}`)
  }
  const kind = TOKEN_KINDS.find(({ tokenType }) => tokenType === type)
  if (kind !== undefined) return { token, kind }
  throw new AuthsecError(
    'invalid_request',
    type === undefined ? `${name}_type is missing` : `${name}_type ${quote(type, 100)} is not accepted`,
    { hint: `Accepted: ${TOKEN_KINDS.map(({ tokenType }) => tokenType).join(', ')}.` },
  )
}

function readMayAct(text: string | undefined): MayAct | undefined {
  return text === undefined ? undefined : parseMayAct(parseStrictJson(text))
}

// Two doors to the same fields: through which of them a field came must never matter.
function joinDoors<T extends object>(inForm: T, inDetails: T): T {
  const joined = { ...inForm }
  for (const name of Object.keys(inDetails) as (keyof T)[]) {
    if (inDetails[name] === undefined) continue
    if (inForm[name] !== undefined) {
      throw new AuthsecError('invalid_request', 'authorization_details repeats a parameter of the request')
    }
    joined[name] = inDetails[name]
  }
  return joined
}

function assertTool(tool: string | undefined): void {
  if (tool === undefined) return
  if (tool === '' || tool.length > MAX_TOOL_LENGTH || !tool.isWellFormed()) {
    throw new AuthsecError(
      'invalid_request',
      `tool ${quote(tool)} has to have 1 to ${MAX_TOOL_LENGTH} characters`,
    )
  }
}

/** The terms as the audit log tells them: never the arguments. */
function describeTerms({ tool, bind, oneTime, args }: AskedTerms) {
  const bound = args === undefined ? bind : BINDINGS
  return { tool, bind: bound && [...bound], one_time: oneTime || undefined }
}
