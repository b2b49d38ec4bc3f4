import type { CommanderError } from '@commander-js/extra-typings'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import { concealTokens } from '../core/token-concealing.js'
import type { Context } from './context.js'
import { exitCodeOf } from './exit-codes.js'

/** What standard error says with --json when a command fails; a failure that the output has said already is silent. */
export interface Output {
  error: {
    code: ErrorCode
    /** A clause that names what was wrong. */
    message: string
    /** What to do next, as a sentence; null where nobody knows. */
    hint: string | null
    /** The id that the server gave to the request, to find it in the audit log; null where it gave none. */
    request_id: string | null
    /** Whether the same command may succeed later. */
    retryable: boolean
  }
}

/** Endings after which nothing is left to say: somebody brought them about, or the output has said it. */
const QUIET: ReadonlySet<string> = new Set(['interrupted', 'terminated', 'output_closed', 'answer_no'])

/** Says what went wrong on standard error, as text or as one JSON object, and returns the exit code. */
export function reportFailure({ io, environment }: Context, error: unknown): number {
  const code = exitCodeOf(error)
  if (AuthsecError.is(error) && QUIET.has(error.code)) return code

  const failure = AuthsecError.is(error) ? error : describeSurprise(error, environment.isDebugging)
  if (io.manners.json) io.complain(JSON.stringify({ error: describeFailure(failure) } satisfies Output))
  else io.complain(formatFailure(failure))
  if (environment.isDebugging && error instanceof Error) io.complain(formatStack(error))
  return code
}

/** What commander complains about as a `usage` failure in our voice; `help` is the command that explains more. */
export function readUsageError(error: CommanderError, help: string): AuthsecError {
  const [line = '', ...more] = error.message.replace(/^error: (?:command-argument value )?/, '').split('\n')
  const suggestion = /^\(Did you mean (.+)\?\)$/s.exec(more.join(' ').trim())?.[1]
  const said = line.charAt(0).toLowerCase() + line.slice(1).replace(/\.$/, '')
  // Behind the name of a flag that there is not may stand a secret, which nothing repeats.
  const message = said.replace(/^(unknown option '[^=]*)=.*$/s, "$1'")
  return new AuthsecError('usage', toPrintable(message), {
    hint: suggestion === undefined ? `See ${help} --help.` : `Did you mean ${toPrintable(suggestion)}?`,
    ...(message === said && { cause: error }),
  })
}

function describeFailure({ code, message, hint, requestId, retryable }: AuthsecError): Output['error'] {
  return {
    code,
    message: toPrintable(message),
    hint: hint === undefined ? null : toPrintable(hint),
    request_id: requestId ?? null,
    retryable,
  }
}

function formatFailure({ message, hint }: AuthsecError): string {
  const lines = [`authsec: ${toPrintable(message)}`]
  if (hint !== undefined) lines.push(`hint: ${toPrintable(hint)}`)
  return lines.join('\n')
}

function describeSurprise(error: unknown, isDebugging: boolean): AuthsecError {
  // Nobody knows what a surprise says: Node repeats a header that it does not take.
  const message = concealTokens(error instanceof Error ? error.message : String(error))
  return new AuthsecError('internal', message.split('\n')[0] || 'something unexpected happened', {
    ...(!isDebugging && { hint: 'Set AUTHSEC_DEBUG=1 to see where it happened.' }),
    cause: error,
  })
}

function formatStack(error: Error): string {
  const stack = concealTokens(error.stack ?? error.message)
    .split('\n')
    .map(toPrintable)
    .join('\n')
  return error.cause instanceof Error ? `${stack}\ncaused by ${formatStack(error.cause)}` : stack
}
