import { AsyncLocalStorage } from 'node:async_hooks'
import { AuthsecError } from '../core/errors.js'
import type { DelegationToken } from '../sdk/index.js'

/** What a tool gets beside its input. */
export interface DelegatedContext {
  /**
   * `fetch` with the token of this call: it goes to the API's own origins only, and a 401 is answered with a new token
   * where the call can be repeated. Ends with the run.
   */
  readonly fetch: typeof fetch
  /** The token of this call, fetched when it is asked for. Rejects as `getDelegationToken` does. */
  token(): Promise<DelegationToken>
  /** Fires when the run is over: pass it on to whatever takes time. */
  readonly signal: AbortSignal
  /** The id of the tool call, where a model made it. */
  readonly toolCallId: string | undefined
}

const storage = new AsyncLocalStorage<DelegatedContext>()

/** The delegation of the tool call that runs now, however deep inside; throws `configuration` outside of one. */
export function currentDelegation(): DelegatedContext {
  const context = storage.getStore()
  if (context !== undefined) return context
  throw new AuthsecError('configuration', 'no delegated tool runs here', {
    hint: 'Wrap the tool with withDelegation, or name it in delegationMiddleware.',
  })
}

/** Does the work of a tool call; `currentDelegation` finds the context inside. */
export function runWithDelegation<T>(context: DelegatedContext, work: () => T): T {
  return storage.run(context, work)
}
