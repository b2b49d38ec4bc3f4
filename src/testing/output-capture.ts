import { format } from 'node:util'

const METHODS = ['debug', 'dir', 'dirxml', 'error', 'info', 'log', 'table', 'trace', 'warn'] as const

/** What a piece of work printed. */
export interface CapturedOutput {
  readonly text: string
  /** Lets everything be printed again as before. */
  restore(): void
}

/** Keeps a copy of everything that is printed from now on, by the console or to the streams, and still prints it. */
export function captureOutput(): CapturedOutput {
  const printed: string[] = []
  const restores: (() => void)[] = []
  const { console } = globalThis
  for (const method of METHODS) {
    const original = console[method] as (...values: unknown[]) => void
    console[method] = (...values: unknown[]) => {
      printed.push(format(...values))
      original.apply(console, values)
    }
    restores.push(() => {
      console[method] = original
    })
  }
  for (const stream of [process.stdout, process.stderr]) {
    const { write } = stream
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      printed.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString())
      return write.call(stream, chunk as string, ...(rest as []))
    }
    restores.push(() => {
      stream.write = write
    })
  }
  return {
    get text() {
      return printed.join('\n')
    },
    restore() {
      for (const restore of restores) restore()
    },
  }
}
