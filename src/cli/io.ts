import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import type { Json } from '../core/strict-json.js'
import { alignPairs, wrapText } from './columns.js'
import { decodeText } from './decoded-text.js'
import type { JsonSelection } from './json-selection.js'
import { formatJson } from './json-text.js'

/** The three streams of a process; terminals are streams of Node. */
export interface Streams {
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
}

export interface Input extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean
  /** Ends the reading, also where nothing comes. */
  destroy?(): unknown
}

export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  /** Calls `done` when everything up to here has left. */
  write(text: string | Uint8Array, done?: () => void): unknown
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
}

export type ColorChoice = 'auto' | 'always' | 'never'

/** How the person or script that called wants to be talked to. */
export interface Manners {
  color: ColorChoice
  /** One JSON object or JSON Lines instead of text; standard error then holds no chatter. */
  json: boolean
  /** What of the JSON is printed, where that is not all of it; texts then stand without quotes. */
  select: JsonSelection | undefined
  /** Whether nobody wants to be told what is going on. */
  quiet: boolean
  /** Whether prompts are allowed where there is a terminal. */
  input: boolean
}

/** Gives a printable text its colour. */
export type Paint = (text: string) => string

/** Colours for standard output; plain text where there is no colour. The texts must be printable. */
export interface Style {
  good: Paint
  bad: Paint
  caution: Paint
  faint: Paint
  strong: Paint
  /** Three colours that keep apart the parts of one thing. */
  tints: readonly [Paint, Paint, Paint]
}

/** The only way to the three streams: results go to standard output, everything else to standard error. */
export interface Io {
  readonly manners: Manners
  /** Whether a person reads standard output. */
  readonly isTerminal: boolean
  /** Whether a person can answer a prompt. */
  readonly isInteractive: boolean
  /** Whether standard input is a keyboard: whoever reads it has to tell the person. */
  readonly isInputTerminal: boolean
  /** Whether any stream is one: then Ctrl-C reaches all programs of the pipeline. */
  readonly isAtTerminal: boolean
  readonly columns: number
  /** How long a line may be: the columns of a terminal, and as long as it likes elsewhere. */
  readonly width: number
  setManners(changes: Partial<Manners>): void
  /** Prints a result; the text must be printable. */
  line(text?: string): void
  /**
   * Prints one value over several lines. Its type has to be named: it is the `Output` of the command, from which the
   * schema is made that `authsec commands --schema` prints.
   */
  json<Output = never>(value: NoInfer<Output>): void
  /** Prints one object as one line of a stream; its type is the `Output` of the command. */
  jsonLine<Output = never>(value: NoInfer<Output>): void
  /** Prints rows: aligned under titles on a terminal, tab-separated without titles elsewhere. */
  table(titles: readonly string[], rows: readonly (readonly string[])[]): Promise<void>
  /** Prints named values, one per line; aligned on a terminal, tab-separated elsewhere. */
  record(pairs: readonly (readonly [name: string, value: string])[]): void
  /** Tells a person what is going on; silent with `--json` and `--quiet`. */
  note(text: string): void
  /** Tells what may surprise, also with `--json`. */
  warn(text: string): void
  /** Prints to standard error as it is. */
  complain(text: string): void
  style(): Promise<Style>
  /**
   * Reads standard input to its end, which can be done once: it throws `usage` the second time, and the code of what it
   * should be when that is larger than `maxBytes`.
   */
  readInput(maxBytes: number, code: ErrorCode): Promise<string>
  /** Waits until what was printed has left; throws when standard output could not take it. */
  flush(): Promise<void>
}

export interface IoOptions {
  streams: Streams
  /** What the environment says about colour when no flag does. */
  color: ColorChoice
  isAccessible: boolean
  signal: () => AbortSignal
  /** Called when the reader of standard output has gone away. */
  onClosed: () => void
}

const PLAIN: Style = {
  good: same,
  bad: same,
  caution: same,
  faint: same,
  strong: same,
  tints: [same, same, same],
}

/** Takes charge of the streams; none is touched before it is used. */
export function createIo({ streams, color, isAccessible, signal, onClosed }: IoOptions): Io {
  const manners: Manners = { color: 'auto', json: false, select: undefined, quiet: false, input: true }
  let isListening = false
  let isComplaining = false
  let isClosed = false
  let isInputRead = false
  let failure: Error | undefined

  function write(text: string): void {
    if (!isListening) {
      isListening = true
      streams.stdout.on('error', (error) => {
        // The reader has what it wanted, as in `authsec audit search | head`.
        if (error.code === 'EPIPE') onClosed()
        else failure ??= error
        isClosed = true
      })
    }
    if (!isClosed) streams.stdout.write(text)
  }

  // As jq -r prints, but for what could not be printed safely.
  function writeSelected(values: readonly Json[]): void {
    for (const value of values) {
      write(`${typeof value === 'string' ? toPrintable(value) : formatJson(value)}\n`)
    }
  }

  function complain(text: string): void {
    if (!isComplaining) streams.stderr.on('error', () => {})
    isComplaining = true
    streams.stderr.write(`${text}\n`)
  }

  return {
    manners,
    get isTerminal() {
      return streams.stdout.isTTY === true
    },
    get isInteractive() {
      return manners.input && streams.stdin.isTTY === true && streams.stderr.isTTY === true
    },
    get isInputTerminal() {
      return streams.stdin.isTTY === true
    },
    get isAtTerminal() {
      return [streams.stdin, streams.stdout, streams.stderr].some(({ isTTY }) => isTTY === true)
    },
    get columns() {
      // A terminal that does not know its width says 0.
      return streams.stdout.columns || 80
    },
    get width() {
      return this.isTerminal ? this.columns : Number.POSITIVE_INFINITY
    },
    setManners(changes) {
      Object.assign(manners, changes)
    },
    line(text = '') {
      write(`${text}\n`)
    },
    json(value) {
      if (manners.select) writeSelected(manners.select(value as Json))
      else write(`${formatJson(value, 2)}\n`)
    },
    jsonLine(value) {
      if (manners.select) writeSelected(manners.select(value as Json))
      else write(`${formatJson(value)}\n`)
    },
    async table(titles, rows) {
      const cells = rows.map((row) => row.map(toPrintable))
      if (streams.stdout.isTTY !== true) for (const row of cells) write(`${row.join('\t')}\n`)
      else {
        const widths = isAccessible ? undefined : fitWidths(titles, cells, this.columns)
        write(
          widths === undefined
            ? formatList(titles, cells, this.columns)
            : await formatTable(titles, cells, widths),
        )
      }
    },
    record(pairs) {
      const cells = pairs.map(([name, value]) => [name, toPrintable(value)] as const)
      // A script finds each name, a person those of which there is something to say.
      const lines = this.isTerminal
        ? alignPairs(
            cells.filter(([, value]) => value !== ''),
            this.columns,
          )
        : cells.map((cell) => cell.join('\t'))
      for (const line of lines) write(`${line}\n`)
    },
    note(text) {
      if (!manners.json && !manners.quiet) complain(text)
    },
    warn(text) {
      complain(`warning: ${text}`)
    },
    complain,
    async style() {
      const choice = manners.color === 'auto' ? color : manners.color
      const isColored = choice === 'auto' ? streams.stdout.isTTY === true : choice === 'always'
      return isColored ? await loadColors() : PLAIN
    },
    async readInput(maxBytes, code) {
      if (isInputRead) {
        throw new AuthsecError('usage', 'standard input cannot be both: it is named twice', {
          hint: 'Put one of them into a file.',
        })
      }
      isInputRead = true
      const text = await readAll(streams.stdin, maxBytes, signal)
      if (text !== undefined) return text
      throw new AuthsecError(code, `standard input is larger than ${maxBytes / 1024} KiB`, {
        hint: 'Check what was piped in.',
      })
    },
    async flush() {
      if (!isListening) return
      if (!isClosed) await new Promise<void>((resolve) => streams.stdout.write('', () => resolve()))
      if (failure) {
        throw new AuthsecError('internal', `standard output cannot be written: ${failure.message}`)
      }
    },
  }
}

async function loadColors(): Promise<Style> {
  const { Chalk } = await import('chalk')
  // The level is ours to say: what the terminal or the environment want has been decided above.
  const { green, red, yellow, dim, bold, cyan, magenta, blue } = new Chalk({ level: 1 })
  return { good: green, bad: red, caution: yellow, faint: dim, strong: bold, tints: [cyan, magenta, blue] }
}

// A table as it is heard, or where it has no room: each row a paragraph, each cell with its title.
function formatList(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): string {
  const format = (cell: string, index: number) =>
    cell === '' ? [] : [`${wrapText(`${titles[index]}: ${cell}`, columns, '  ')}\n`]
  return rows.map((row) => row.flatMap(format).join('')).join('\n')
}

async function formatTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  widths: number[],
): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const none = Object.fromEntries(BORDERS.map((border) => [border, '']))
  const table = new Table({
    head: titles.map((title) => title.toUpperCase()),
    chars: { ...none, middle: GAP },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colWidths: widths,
  })
  table.push(...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

const GAP = '  '
const BORDERS = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
]

/** A cell that is cut to less says nothing any more. */
const MIN_CUT = 12

// The widest column gives way until the table fits; what is cut ends in an ellipsis. The first one holds what is
// needed for the next command, so it stays whole. Undefined where nothing would be left to read of the others.
function fitWidths(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): number[] | undefined {
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  const room = columns - GAP.length * (titles.length - 1)
  let excess = widths.reduce((sum, width) => sum + width, 0) - room
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths.slice(1)), 1)
    const width = widths[widest] ?? 0
    if (width <= MIN_CUT) return undefined
    widths[widest] = width - 1
    excess--
  }
  return widths
}

// All of it, or nothing where it is more than that.
async function readAll(
  stdin: Input,
  maxBytes: number,
  signal: () => AbortSignal,
): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  const ending = stdin.destroy && signal()
  const stop = () => stdin.destroy?.()
  ending?.addEventListener('abort', stop)
  try {
    ending?.throwIfAborted()
    for await (const chunk of stdin) {
      chunks.push(Buffer.from(chunk))
      size += chunk.length
      // Leaving the loop closes the stream: the rest is not read.
      if (size > maxBytes) break
    }
  } catch (error) {
    throw ending?.aborted ? ending.reason : error
  } finally {
    ending?.removeEventListener('abort', stop)
  }
  return size > maxBytes ? undefined : decodeText(Buffer.concat(chunks))
}

function same(text: string): string {
  return text
}
