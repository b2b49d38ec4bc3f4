import { MAX_AUDIT_PAGE } from '../api/audit.js'
import { findAuthsecLogs } from '../api/authsec-logs.js'
import { AuthsecError } from '../core/errors.js'
import { listTimes } from './audit-flags.js'
import type { FollowStep } from './audit-follow.js'
import { pollLogs } from './audit-polling.js'
import { readTail, type TailOptions } from './audit-tailing.js'
import type { Connection } from './connection.js'
import type { Io } from './io.js'

/** Reads the log of a server; one that has none may have those of AuthSec, which can only be asked again and again. */
export async function* readAnyLog(
  io: Pick<Io, 'note'>,
  { target, findTenant }: Pick<Connection, 'target' | 'findTenant'>,
  options: TailOptions,
): AsyncGenerator<FollowStep[]> {
  try {
    yield* readTail(target, options)
  } catch (error) {
    if (!AuthsecError.is(error, 'not_found')) throw error
    const logs = await findAuthsecLogs(target, findTenant)
    if (logs === undefined) throw error
    const { cursor, since, lines = MAX_AUDIT_PAGE } = options.start
    if (cursor !== undefined) {
      throw new AuthsecError('usage', 'the logs of this server have no places to go on from', {
        hint: 'Leave out --cursor and --cursor-file; see --since.',
      })
    }
    if (options.follow) io.note('this server cannot be followed: its logs are asked every 2 s')
    const filter = [...options.filter, ...listTimes({ since })]
    yield* pollLogs(logs, { ...options, filter, lines })
  }
}
