import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote, toPrintable } from '../core/printable.js'
import { formatParties } from './call-key.js'
import type { DelegationSubject } from './subject.js'

/** What a person is asked for, who is elsewhere. */
export interface ApprovalRequest {
  /** What the agent wants to do with the answer, and no more. */
  permissions: readonly string[]
  /** What the person reads, at most 256 characters: say what will happen, with its amounts and names. */
  message: string
  /** Who is asked, by e-mail address or user id; left out, the user for whom the agent acts. */
  user?: string | undefined
  /** The user for whom the agent acts; left out, the one who has delegated to it. */
  subject?: DelegationSubject | undefined
  /**
   * The API at which the permissions are wanted. Where the server has not named the user of the subject yet, one token of
   * four seconds is asked for there, so that it does; without an API such a user cannot be asked.
   */
  audience?: string | undefined
  /**
   * Names the occasion. The same question on behalf of the same user for the same occasion joins the one that waits, rather
   * than asking the person twice, and whoever joins gets the same answer; left out, each call is an occasion of its own.
   */
  id?: string | undefined
  /** How long the person may take, 1 to 300 seconds; the server's default is 300. */
  expiresInSeconds?: number | undefined
  /** Gives up asking; a question that has been put stays. */
  signal?: AbortSignal | undefined
}

/** A request that has been checked. */
export interface ApprovalQuestion extends ApprovalRequest {
  readonly permissions: readonly string[]
}

/** The longest message that people are shown, in characters. */
const MAX_APPROVAL_MESSAGE = 256
const LONGEST_SECONDS = 300

const MEMBERS: ReadonlySet<string> = new Set<keyof ApprovalRequest>([
  'permissions',
  'message',
  'user',
  'subject',
  'audience',
  'id',
  'expiresInSeconds',
  'signal',
])

/** Checks and copies a request; throws `request_invalid` or `invalid_scope` naming the value. */
export function readApprovalRequest(request: ApprovalRequest): ApprovalQuestion {
  const { permissions, message, user, id, audience, expiresInSeconds } = request
  const unknown = Object.keys(request).find((name) => !MEMBERS.has(name))
  if (unknown !== undefined) throw invalid(`${quote(unknown)} is not a member of a request for approval`)
  if (!Array.isArray(permissions) || permissions.length === 0) {
    throw invalid('a request for approval without permissions')
  }
  if (typeof message !== 'string' || message.trim() === '' || message.length > MAX_APPROVAL_MESSAGE) {
    throw invalid(`the message ${quote(message)} is not a text of 1 to ${MAX_APPROVAL_MESSAGE} characters`)
  }
  for (const [name, value] of Object.entries({ user, id, audience })) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw invalid(`${name} ${quote(value)} is not a text with something in it`)
    }
  }
  const seconds = expiresInSeconds ?? LONGEST_SECONDS
  if (!(Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_SECONDS)) {
    throw invalid(`expiresInSeconds ${quote(seconds)} is not between 1 and ${LONGEST_SECONDS}`)
  }
  return {
    ...request,
    permissions: sortPermissions(parsePermissions(permissions)),
    // Arguments of a model may stand in it: nothing in it may move what the person reads.
    message: toPrintable(message),
  }
}

/** What two requests have to have in common to be one question. */
export function formatQuestionKey(
  { id = crypto.randomUUID(), audience = '', permissions, message }: ApprovalQuestion,
  person: string,
  onBehalfOf: string,
): string {
  return formatParties([id, person, onBehalfOf, audience, message, ...permissions])
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('request_invalid', message)
}
