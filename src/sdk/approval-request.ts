import { assertMembers } from '../core/option-checks.js'
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

/**
 * What a request says now, by the names of its members, as `copyRequest` reads one for a token. Throws `request_invalid`
 * for a member that there is not.
 */
export function copyApprovalRequest(request: ApprovalRequest): ApprovalRequest {
  const { permissions, message, user, subject, audience, id, expiresInSeconds, signal } = request
  const copy: { [Name in keyof Required<ApprovalRequest>]: ApprovalRequest[Name] } = {
    permissions: Array.isArray(permissions) ? [...permissions] : permissions,
    message,
    user,
    subject,
    audience,
    id,
    expiresInSeconds,
    signal,
  }
  assertMembers('a request for approval', request, copy, 'request_invalid')
  return copy
}
