import type { AuditEntry } from '../core/audit-record.js'
import type { AuthsecError } from '../core/errors.js'
import { formatCounts, formatEntry } from './audit-text.js'
import type { Io } from './io.js'

/** Tells what happens in a followed log: as lines for people, or as JSON Lines that each have a `type`. */
export interface AuditPrinter {
  entry(entry: AuditEntry): void
  /** Nothing happened for a while; the stream says that it is still there. */
  heartbeat(next: number): void
  reconnecting(failure: AuthsecError): void
  reconnected(): void
  /** What there was, and the command that goes on. */
  end(next: number): void
}

/** `resume` are the words of the command line that goes on, but for the cursor. */
export async function createAuditPrinter(io: Io, resume: readonly string[]): Promise<AuditPrinter> {
  const style = await io.style()
  const counts = new Map<string, number>()

  function resumeAt(next: number): string {
    return formatCommandLine([...resume, '--cursor', String(next)])
  }

  const count = ({ event }: AuditEntry) => counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
  if (io.manners.json) {
    return {
      entry(entry) {
        count(entry)
        io.jsonLine({ type: 'event', ...entry })
      },
      heartbeat: (next) => io.jsonLine({ type: 'heartbeat', next }),
      reconnecting: ({ code, message }) => io.jsonLine({ type: 'reconnecting', code, message }),
      reconnected: () => io.jsonLine({ type: 'reconnected' }),
      end: (next) =>
        io.jsonLine({ type: 'end', next, events: Object.fromEntries(counts), resume: resumeAt(next) }),
    }
  }
  return {
    entry(entry) {
      count(entry)
      io.line(formatEntry(entry, style, io.isTerminal))
    },
    heartbeat() {},
    reconnecting: ({ message }) => io.note(`${message}; reconnecting`),
    reconnected: () => io.note('connected again'),
    end(next) {
      io.note(formatCounts(counts))
      io.note(`go on with: ${resumeAt(next)}`)
    },
  }
}

// Words as a POSIX shell reads them.
function formatCommandLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
