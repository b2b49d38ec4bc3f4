import { AuthsecError } from '../core/errors.js'
import type { Queries } from '../store/store.js'
import { ADMIN_PERMISSION, isPersonal, limitUser, type Session } from './sessions.js'

/** What is a client's, and the user for whom it is. */
export interface StandInQuestion {
  clientId: string
  userId: string | undefined
}

/**
 * Whether whoever has a session may ask for what is a client's, in its place: the user for whom it is, in person; the
 * client itself where it holds the session of that user; and an admin.
 */
export function mayStandIn(session: Session, { clientId, userId }: StandInQuestion): boolean {
  // A program that somebody has let in is not the person: it stands in for no other client.
  const isOwn = session.clientId === clientId || isPersonal(session)
  return (isOwn && session.user.id === userId) || session.user.permissions.has(ADMIN_PERMISSION)
}

/** Throws `access_denied` unless `mayStandIn`. */
export function assertMayStandIn(session: Session, question: StandInQuestion): void {
  if (mayStandIn(session, question)) return
  throw new AuthsecError('access_denied', 'the session may not ask in the place of this client', {
    hint: 'The user for whom the client acts may, in person, and an admin.',
  })
}

/** The same of what stands now, for the transaction that commits it: the session may have ended meanwhile. */
export async function assertStillStandsIn(
  session: Session,
  question: StandInQuestion,
  { sessions, users }: Queries,
): Promise<void> {
  const user = await users.find(session.user.id)
  if ((await sessions.find(session.id)) === undefined || user?.active !== true) {
    throw new AuthsecError('access_denied', 'the session has ended meanwhile')
  }
  assertMayStandIn({ ...session, user: limitUser(user, session.ceiling) }, question)
}
