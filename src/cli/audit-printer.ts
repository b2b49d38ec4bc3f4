import type { AuditCursor, AuditGap } from '../api/audit-stream.js'
import { toPrintable } from '../core/printable.js'
import { formatCursor } from './audit-cursor.js'
import type { FollowStep, TimelineEntry } from './audit-follow.js'
import type { LineFile } from './audit-output.js'
import { formatCounts, formatEntry } from './audit-text.js'
import type { Io } from './io.js'
import { formatJson } from './json-text.js'

/** Tells what happens in a followed log: as lines for people, or as JSON Lines that each have a `kind`. */
export interface AuditPrinter {
  tell(step: FollowStep): void
  /** What there was, and the command that goes on, where there is a place to go on from. */
  end(cursor: AuditCursor | undefined): void
  /** Waits until what was printed is where it goes. */
  flush(): Promise<void>
}

/** `resume` are the words of the command line that goes on, but for the cursor; events go to `file` where there is one. */
export async function createAuditPrinter(
  io: Io,
  { resume, file }: { resume: (cursor: string) => readonly string[]; file: LineFile | undefined },
): Promise<AuditPrinter> {
  const style = await io.style()
  const counts = new Map<string, number>()
  const count = ({ event }: TimelineEntry) => counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
  const resumeAt = (cursor: AuditCursor) => formatCommandLine(resume(formatCursor(cursor)))
  const flush = async () => {
    await file?.flush()
    await io.flush()
  }

  if (io.manners.json) {
    const print = (value: object) => (file ? file.line(formatJson(value)) : io.jsonLine(value))
    return {
      tell(step) {
        if (step.type === 'event') {
          count(step.entry)
          print({ kind: 'event', ...step.entry })
        } else if (step.type === 'gap') {
          const { after, ...gap } = step.gap
          print({ kind: 'gap', ...gap, next: after })
        } else if (step.type === 'heartbeat') {
          const { after, log } = step.cursor
          io.jsonLine({ kind: 'heartbeat', next: after, log })
        } else if (step.type === 'reconnecting') {
          const { code, message } = step.failure
          io.jsonLine({ kind: 'reconnecting', code, message })
        }
      },
      end(cursor) {
        const { after = null, log = null } = cursor ?? {}
        const events = Object.fromEntries(counts)
        io.jsonLine({ kind: 'end', next: after, log, events, resume: cursor ? resumeAt(cursor) : null })
      },
      flush,
    }
  }
  return {
    tell(step) {
      if (step.type === 'event') {
        count(step.entry)
        if (file) file.line(formatEntry(step.entry, style, false))
        else io.line(formatEntry(step.entry, style, io.isTerminal))
      } else if (step.type === 'gap') io.warn(describeGap(step.gap))
      else if (step.type === 'reconnecting') io.note(`${step.failure.message}; reconnecting`)
      else if (step.type === 'reconnected') io.note('connected again')
    },
    end(cursor) {
      io.note(formatCounts(counts))
      if (cursor) io.note(`go on with: ${resumeAt(cursor)}`)
    },
    flush,
  }
}

function describeGap({ reason, asked, after, log }: AuditGap): string {
  if (reason === 'other_log') {
    return `gap: this is another log (${toPrintable(log ?? '')}) than the one that was read up to ${asked}; it is read from its beginning`
  }
  if (reason === 'ahead') {
    return `gap: the log ends at ${after}, and was read up to ${asked}: an older copy of it may have been put back`
  }
  return `gap: the server cannot go on behind ${asked} (${toPrintable(reason)}); it goes on behind ${after}`
}

// Words as a POSIX shell reads them.
function formatCommandLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
