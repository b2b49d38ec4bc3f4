import { AuthsecError } from '../core/errors.js'
import { describeFully, findLeaks, type Leak } from './leak-search.js'
import { captureOutput } from './output-capture.js'
import { listenToProcess } from './process-events.js'
import { createTestAuthsec, type TestAuthsec, type TestAuthsecOptions } from './test-authsec.js'
import { settle } from './test-clock.js'

/** What a run that is watched for tokens works with. */
export interface WatchedRun extends TestAuthsec {
  /** For LangChain's `callbacks`: writes down whatever a callback handler or a tracer is told. */
  readonly callbacks: readonly object[]
  /** Lets something be searched when the run has ended: a checkpointer, a tracer, a list of events. */
  watch(place: string, value: unknown): void
}

/**
 * Runs an agent against a server whose every token is known, and looks for those tokens in all that is left behind: the
 * result, what was thrown, what was printed, warnings of the process, rejections and exceptions of which nobody has
 * taken care, what callbacks were told, and whatever is watched; as text, as JSON and as `util.inspect` shows it. What
 * the run has left to do is waited for where no timer and no I/O is in the way. Throws `token_leaked` naming the places,
 * and otherwise returns what the run returned, or throws what it threw, or an unhandled rejection that nobody else
 * hears. One at a time: it listens to the console and the events of the process.
 */
export async function expectNoTokenLeak<T>(
  run: (watched: WatchedRun) => Promise<T>,
  options: TestAuthsecOptions = {},
): Promise<T> {
  const test = await createTestAuthsec(options)
  const told: unknown[] = []
  const events = listenToProcess()
  // No map: two values may be watched by one name.
  const places: [place: string, value: unknown][] = [
    ['a callback', told],
    ['the client', test.authsec],
    ...events.places,
  ]
  const watched: WatchedRun = {
    ...test,
    callbacks: [createRecorder(told)],
    watch: (place, value) => void places.push([place, value]),
  }
  const output = captureOutput()
  let ending: { result: T } | { error: unknown }
  try {
    ending = { result: await run(watched) }
  } catch (error) {
    ending = { error }
  } finally {
    await settle()
    events.stop()
    output.restore()
  }
  places.push(['error' in ending ? 'what was thrown' : 'the result', Object.values(ending)[0]])
  const tokens = [...new Set(test.server.issued)]
  const leaks = places.flatMap(([place, value]) => findLeaks(place, describeFully(value), tokens))
  leaks.push(...findLeaks('the output', output.text, tokens))
  await test.close()
  if (tokens.length === 0) throw leaked('no token was issued in this run, so nothing was found out', [])
  if (leaks.length > 0) throw leaked(describeLeaks(leaks), leaks)
  if ('error' in ending) throw ending.error
  if (events.unheard.length > 0) throw events.unheard[0]
  return ending.result
}

// A plain object: LangChain takes it for a handler, and nothing of LangChain has to be loaded for it.
function createRecorder(told: unknown[]): object {
  const handler = { name: 'token-leak-recorder', awaitHandlers: true, copy: () => recorder }
  const recorder: object = new Proxy(handler, {
    get(target, name, receiver) {
      if (typeof name !== 'string' || !name.startsWith('handle')) return Reflect.get(target, name, receiver)
      return (...args: unknown[]) => void told.push([name, ...args])
    },
    has: (target, name) =>
      (typeof name === 'string' && name.startsWith('handle')) || Reflect.has(target, name),
  })
  return recorder
}

function describeLeaks(leaks: readonly Leak[]): string {
  const where = leaks.map(({ place, token }) => `token ${token} is in ${place}`)
  return [...new Set(where)].join(', ')
}

function leaked(message: string, leaks: readonly Leak[]): AuthsecError {
  const tokensIn = (place: string) => leaks.flatMap((leak) => (leak.place === place ? [leak.token] : []))
  return new AuthsecError('token_leaked', message, {
    hint: 'Hand tokens on with context.fetch or authorization(), and print nothing that reveal() returned.',
    details: Object.fromEntries(leaks.map(({ place }) => [place, [...new Set(tokensIn(place))].join(', ')])),
  })
}
