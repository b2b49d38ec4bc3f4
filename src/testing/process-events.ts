/** What a process is told while somebody listens. */
export interface ProcessEvents {
  /** Named as places in which a token may stand. */
  readonly places: readonly [place: string, values: unknown[]][]
  /** The rejections for which nobody but this listened: Node would have ended the process. */
  readonly unheard: readonly unknown[]
  stop(): void
}

/**
 * Listens to warnings, rejections and exceptions that nobody has taken care of. Node writes a warning past the streams,
 * and the others may be printed when nobody watches any more.
 */
export function listenToProcess(): ProcessEvents {
  const warnings: unknown[] = []
  const rejections: unknown[] = []
  const exceptions: unknown[] = []
  const unheard: unknown[] = []
  const listeners = {
    warning: (warning: unknown) => warnings.push(warning),
    unhandledRejection(reason: unknown) {
      rejections.push(reason)
      if (process.listenerCount('unhandledRejection') === 1) unheard.push(reason)
    },
    // It takes care of nothing: what becomes of the process is for others to say.
    uncaughtExceptionMonitor: (error: unknown) => exceptions.push(error),
  }
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener)
  return {
    places: [
      ['a warning', warnings],
      ['an unhandled rejection', rejections],
      ['an uncaught exception', exceptions],
    ],
    unheard,
    stop() {
      for (const [event, listener] of Object.entries(listeners)) process.off(event, listener)
    },
  }
}
