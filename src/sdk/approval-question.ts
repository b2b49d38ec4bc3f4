import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote, toPrintable } from '../core/printable.js'
import type { ApprovalRequest } from './approval-request.js'
import { formatParties } from './call-key.js'

/** A request for approval that has been checked. */
export interface ApprovalQuestion extends ApprovalRequest {
  readonly permissions: readonly string[]
}

/** The longest message that people are shown, in characters. */
const MAX_APPROVAL_MESSAGE = 256
const LONGEST_SECONDS = 300

/** Checks what a request says; throws `request_invalid` or `invalid_scope` naming the value. */
export function readApprovalQuestion(request: ApprovalRequest): ApprovalQuestion {
  const { permissions, message, user, id, audience, expiresInSeconds } = request
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
