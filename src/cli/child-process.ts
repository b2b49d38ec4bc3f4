import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/** The signals that are passed on to a child: all that ask a program to do something, or to end. */
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** Those of Ctrl-C and Ctrl-\, which a terminal sends to every program that it shows. */
const TYPED: readonly string[] = ['SIGINT', 'SIGQUIT']

export interface ChildOptions {
  variables: Readonly<Record<string, string | undefined>>
  /** What is typed there reaches the child as well, and twice is more than once: many programs then end unclean. */
  isAtTerminal: boolean
}

/** A program that runs, with the streams of this process. */
export interface Child {
  /** Its exit code; 128 and the number of the signal that ended it. Throws `not_started` like `startChild`. */
  ended: Promise<number>
}

/** Starts a program; throws `not_started` naming why it could not be. */
export async function startChild(
  [program = '', ...args]: readonly string[],
  { variables, isAtTerminal }: ChildOptions,
): Promise<Child> {
  // @ts-expect-error It brings no types along; those of Node hold for it.
  const loading: Promise<typeof import('node:child_process')> = import('cross-spawn')
  const [{ spawn }, { constants }] = await Promise.all([loading, import('node:os')])
  const child = start()
  // While these are here Node does not end this process either: it has a token to revoke.
  const listeners = PASSED_ON.map((signal) => {
    const isTyped = isAtTerminal && TYPED.includes(signal)
    return [signal, isTyped ? () => {} : () => child.kill(signal)] as const
  })
  for (const [signal, listener] of listeners) process.on(signal, listener)

  const ended = new Promise<number>((resolve, reject) => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
    child.on('error', (cause: NodeJS.ErrnoException) => {
      // A signal that could not be passed on is no reason to leave the program alone.
      if (cause.syscall !== 'kill') reject(describeFailure(program, cause))
    })
  }).finally(() => {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  })
  // On Windows a script such as npm is run by another program, and that it is not there is known only when that one ends.
  await Promise.race([new Promise<void>((resolve) => child.once('spawn', resolve)), ended])
  return { ended }

  // Some of what can be wrong Node throws at once, the rest it tells later.
  function start() {
    try {
      return spawn(program, args, { stdio: 'inherit', env: variables })
    } catch (cause) {
      throw describeFailure(program, cause as NodeJS.ErrnoException)
    }
  }
}

function describeFailure(program: string, cause: NodeJS.ErrnoException): AuthsecError {
  const reason =
    cause.code === 'ENOENT' || program === ''
      ? 'there is no such program'
      : cause.code === 'EACCES'
        ? 'it may not be run'
        : String(cause.code)
  return new AuthsecError('not_started', `${quote(program, 200)} could not be started: ${reason}`, {
    hint: 'Write the program and its arguments behind --, as in authsec exec -- node agent.js.',
    cause,
  })
}
