import type { AuditCursor } from '../api/audit-stream.js'
import { isKeyName } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { writePrivateFile } from './private-file.js'
import { toWriteFailure } from './write-failure.js'

/** Writes a cursor as `41@authsec/7f3c…`, or as `41` where the log is not known. */
export function formatCursor({ after, log }: AuditCursor): string {
  return log === undefined ? String(after) : `${after}@${log}`
}

/** Reads a cursor; throws `usage` for what is none. */
export function parseCursor(text: string): AuditCursor {
  const [, digits, log] = /^(-1|\d{1,15})(?:@(.+))?$/.exec(text) ?? []
  if (digits !== undefined && (log === undefined || isKeyName(log))) return { after: Number(digits), log }
  throw new AuthsecError('usage', `${quote(text)} is not a cursor`, {
    hint: 'Give the one that authsec audit tail printed at its end, such as 41@authsec/7f3c….',
  })
}

/** A file that keeps a cursor for the next run. */
export interface CursorFile {
  /** Undefined while there is no such file. Throws `configuration` for one that holds something else. */
  read(): Promise<AuditCursor | undefined>
  /** Keeps it durably; what is kept already is not written again. */
  keep(cursor: AuditCursor): Promise<void>
}

export function openCursorFile(path: string): CursorFile {
  let kept: string | undefined
  return {
    async read() {
      const { readFile } = await import('node:fs/promises')
      const text = await readFile(path, 'utf8').catch((cause) => {
        if (cause.code === 'ENOENT') return undefined
        throw new AuthsecError('configuration', `${quote(path, 200)} cannot be read (${cause.code})`, {
          cause,
        })
      })
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
      await writePrivateFile(path, `${text}\n`).catch((error) => {
        throw toWriteFailure(path, error)
      })
      kept = text
    },
  }
}
