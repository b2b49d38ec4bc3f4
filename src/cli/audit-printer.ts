import type { AuditCursor, AuditGap } from '../api/audit-stream.js'
import type { AuditEvent } from '../core/audit-record.js'
import type { ErrorCode } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import { formatCursor } from './audit-cursor.js'
import type { FollowStep, TimelineEntry } from './audit-follow.js'
import type { LineFile } from './audit-output.js'
import { formatCounts, formatEntry } from './audit-text.js'
import type { Io } from './io.js'
import { formatJson } from './json-text.js'
import { formatCommandLine } from './shell-words.js'

/** An event as the server tells it, which may be of another version or AuthSec itself, and tell more or less. */
interface ToldEvent
  extends Pick<AuditEvent, 'id' | 'occurred_at' | 'outcome'>,
    Partial<Omit<AuditEvent, 'id' | 'occurred_at' | 'outcome' | 'type'>> {
  /** One of those that `authsec audit types` lists, unless the server has others. */
  type: string
}

/** An event with its place, where the log has places. */
export interface ToldTimelineEntry {
  /** The index of its leaf, counted from 0 without gaps; null in the logs of AuthSec itself, which have no places. */
  seq: number | null
  event: ToldEvent
}

/** An event with its place in the log. */
export interface ToldEntry extends ToldTimelineEntry {
  /** The index of its leaf, counted from 0 without gaps. */
  seq: number
}

/** One line of a followed log. */
export type TailLine = EventLine | GapLine | HeartbeatLine | ReconnectingLine | EndLine

/** Something happened. */
interface EventLine extends ToldTimelineEntry {
  kind: 'event'
}

/** The log could not be read on from where it was asked to be. */
interface GapLine {
  kind: 'gap'
  /**
   * `other_log`: that place is in another log; `ahead`: it is behind the end of this one; `pruned`: what came behind it
   * has been pruned; or what else the server says.
   */
  reason: string
  /** The place behind which the log was to be read on. */
  asked: number
  /** The origin of the log; absent where it is not published. */
  log?: string | undefined
  /** The place behind which it is read on instead; -1 for the beginning. */
  next: number
}

/** Everything up to a place has been looked at, whatever of it was wanted. */
interface HeartbeatLine {
  kind: 'heartbeat'
  /** That place; -1 before the first record. */
  next: number
  /** The origin of the log; absent where it is not published. */
  log?: string | undefined
}

/** The connection was lost, and is taken up again; told once for each outage. */
interface ReconnectingLine {
  kind: 'reconnecting'
  /** What went wrong, as an error code. */
  code: ErrorCode
  message: string
}

/** The following has ended. */
interface EndLine {
  kind: 'end'
  /** The place up to which the log has been read; -1 before the first record, null where the log has no places. */
  next: number | null
  /** The origin of the log; null where it is not published. */
  log: string | null
  /** How many events there were of each type. */
  events: Readonly<Record<string, number>>
  /** The command line that goes on behind it; null where the log has no places. */
  resume: string | null
}

/** Tells what happens in a followed log: as lines for people, or as JSON Lines that each have a `kind`. */
export interface AuditPrinter {
  tell(step: FollowStep): void
  /** What there was, and the command that goes on, where there is a place to go on from. */
  end(cursor: AuditCursor | undefined): void
  /** Waits until what was printed is where it goes. */
  flush(): Promise<void>
}

/**
 * `resume` are the words of the command line that goes on, but for the cursor; events go to `file` where there is one.
 */
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
    const print = (line: EventLine | GapLine) =>
      file ? file.line(formatJson(line)) : io.jsonLine<TailLine>(line)
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
          io.jsonLine<TailLine>({ kind: 'heartbeat', next: after, log })
        } else if (step.type === 'reconnecting') {
          const { code, message } = step.failure
          io.jsonLine<TailLine>({ kind: 'reconnecting', code, message })
        }
      },
      end(cursor) {
        const { after = null, log = null } = cursor ?? {}
        const events = Object.fromEntries(counts)
        io.jsonLine<TailLine>({
          kind: 'end',
          next: after,
          log,
          events,
          resume: cursor ? resumeAt(cursor) : null,
        })
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
      } else if (step.type === 'gap') {
        const gap = describeGap(step.gap)
        file?.line(gap)
        io.warn(gap)
      } else if (step.type === 'reconnecting') io.note(`${step.failure.message}; reconnecting`)
      else if (step.type === 'reconnected') io.note('connected again')
    },
    end(cursor) {
      io.note(formatCounts(counts))
      if (cursor) io.note(`go on with: ${toPrintable(resumeAt(cursor))}`)
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
  if (reason === 'pruned') {
    return `gap: what came behind ${asked} has been pruned from the log, up to ${after}`
  }
  return `gap: the server cannot go on behind ${asked} (${toPrintable(reason)}); it goes on behind ${after}`
}
