import { SNAPSHOT_TYPE } from '../core/snapshot.js'
import { type ApiTarget, openStream } from './http.js'

/** The server writes all of it down before it sends anything. */
const SILENCE_MS = 600_000

/**
 * Asks a dev server for a copy of its state, which comes as it is written. Throws `not_found` for a server in shared
 * mode, which gives none away, and what `openStream` throws.
 */
export function downloadSnapshot(target: ApiTarget, options: { clone: boolean }): AsyncGenerator<Uint8Array> {
  return openStream(
    target,
    {
      method: 'POST',
      path: '/dev/snapshots',
      session: 'required',
      json: options,
      explain: ({ status }) =>
        status === 404
          ? {
              code: 'not_found',
              message: 'this server hands out no snapshot',
              hint: 'Stop it first, unless its state is in a database: that is read with --store.',
            }
          : undefined,
    },
    { contentType: SNAPSHOT_TYPE, silenceMs: SILENCE_MS },
  )
}
