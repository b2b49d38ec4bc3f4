import type { AuditCursor } from '../api/audit-stream.js'
import { isKeyName } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isUuid } from '../core/uuid.js'
import { writePrivateFile } from './private-file.js'
import { findTextFile } from './text-file.js'

// The name of a log has at most 256 characters.
const MAX_CURSOR_BYTES = 4 * 1024

/**
 * Writes a cursor as `41:0198…@authsec/7f3c…`, without the id of the event where that is not known, and as `41` where the
 * log is not: the id alone could not tell another log from a log that was rewritten.
 */
export function formatCursor({ after, log, id }: AuditCursor): string {
  if (log === undefined) return String(after)
  // It goes into the command that goes on, whatever the server says.
  return id !== undefined && isUuid(id) ? `${after}:${id}@${log}` : `${after}@${log}`
}

/** Reads a cursor; throws `usage` for what is none. */
export function parseCursor(text: string): AuditCursor {
  const [, digits, id, log] = /^(-1|\d{1,15})(?:(?::([^@]+))?@(.+))?$/.exec(text) ?? []
  if (digits !== undefined && (log === undefined || isKeyName(log)) && (id === undefined || isUuid(id))) {
    return { after: Number(digits), log, id }
  }
  throw new AuthsecError('usage', `${quote(text)} is not a cursor`, {
    hint: 'Give the one that authsec audit tail printed at its end, such as 41:0198…@authsec/7f3c….',
  })
}

/** A file that keeps a cursor for the next run. */
export interface CursorFile {
  /** Undefined while there is no such file. Throws `usage`, and `configuration` for one that holds something else. */
  read(): Promise<AuditCursor | undefined>
  /** Keeps it durably; what is kept already is not written again. */
  keep(cursor: AuditCursor): Promise<void>
}

export function openCursorFile(path: string): CursorFile {
  let kept: string | undefined
  return {
    async read() {
      const text = await findTextFile(path, { maxBytes: MAX_CURSOR_BYTES, code: 'configuration' })
      if (text === undefined) return undefined
      try {
        return parseCursor(text.trim())
      } catch (cause) {
        throw new AuthsecError('configuration', `${quote(path, 200)} holds no cursor`, {
          hint: 'Name another file, or remove this one to begin anew.',
          cause,
        })
      }
    },
    async keep(cursor) {
      const text = formatCursor(cursor)
      if (text === kept) return
      await writePrivateFile(path, `${text}\n`)
      kept = text
    },
  }
}
