import { AuthsecError } from '../core/errors.js'
import { lazily } from '../core/lazily.js'

/** What a person or the system says to a process that is to end. */
export interface Signals {
  /** Aborted by Ctrl-C and SIGTERM. They are listened for once somebody asks; before that they end the process. */
  readonly signal: AbortSignal
  readonly isListening: boolean
  /** Gives the signals back to Node. */
  close(): void
}

/** How long one Ctrl-C may keep arriving, in milliseconds. */
const ECHO_MS = 500

/**
 * The signals of this process. The first one asks the command to end; after a moment Node's own rule holds, so the
 * next one ends it at once. The moment is there because one Ctrl-C comes twice where npm passes on what the terminal
 * has sent to both.
 */
export function openSignals(): Signals {
  const controller = lazily(() => {
    process.on('SIGINT', onInterrupt)
    process.on('SIGTERM', onTerminate)
    isListening = true
    return new AbortController()
  })
  let isListening = false
  const onInterrupt = () => stop(new AuthsecError('interrupted', 'interrupted'))
  const onTerminate = () => stop(new AuthsecError('terminated', 'terminated'))
  function close(): void {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
  function stop(reason: AuthsecError): void {
    if (controller().signal.aborted) return
    setTimeout(close, ECHO_MS).unref()
    controller().abort(reason)
  }
  return {
    get signal() {
      return controller().signal
    },
    get isListening() {
      return isListening
    },
    close,
  }
}
