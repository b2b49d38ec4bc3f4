import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import type { Serialized } from '@langchain/core/load/serializable'
import { AuthsecError } from '../core/errors.js'
import type { DelegationToken } from '../sdk/index.js'

/** One tool call that has come to its end, and by which tokens it was made. Holds nothing of a token but its id. */
export interface ToolRunReport {
  readonly tool: string
  readonly runId: string
  /** The id of the tool call, where a model made it and LangChain tells. */
  readonly toolCallId: string | undefined
  /** `denied`: the model was told that the token was refused; `interrupted`: the run waits for somebody. */
  readonly outcome: 'done' | 'denied' | 'failed' | 'interrupted'
  /** The code of the failure, where it was a failure to get a token. */
  readonly code: string | undefined
  /** The audit event of a refusal. */
  readonly auditId: string | undefined
  /** In milliseconds. */
  readonly duration: number
  readonly tokens: readonly TokenUse[]
}

/** A token that a tool was given. */
export interface TokenUse {
  readonly jti: string
  readonly audience: readonly string[]
  readonly permissions: readonly string[]
  /** The audit event that recorded its issuance. */
  readonly auditId: string | undefined
}

export interface CallbackHandlerOptions {
  /** Told of each tool call when it has ended. What it throws is ignored. */
  onToolRun: (report: ToolRunReport) => void
}

interface RunningTool {
  tool: string
  toolCallId: string | undefined
  startedAt: number
  tokens: TokenUse[]
}

type Ending = Pick<ToolRunReport, 'outcome'> & Partial<Pick<ToolRunReport, 'code' | 'auditId'>>

/** A LangChain callback handler that reports tool calls with the ids by which AuthSec's audit log knows their tokens. */
export class AuthsecCallbackHandler extends BaseCallbackHandler {
  override readonly name = 'authsec'
  // In step with the tools: the report is there when the tool has ended.
  override awaitHandlers = true
  readonly onToolRun: (report: ToolRunReport) => void
  readonly #running = new Map<string, RunningTool>()

  constructor({ onToolRun }: CallbackHandlerOptions) {
    super()
    if (typeof onToolRun !== 'function') throw new TypeError('onToolRun is not a function')
    this.onToolRun = onToolRun
  }

  override handleToolStart(
    tool: Serialized,
    _input: string,
    runId: string,
    _parentRunId?: string,
    _tags?: string[],
    _metadata?: Record<string, unknown>,
    runName?: string,
    toolCallId?: string,
  ): void {
    const name = runName ?? tool.id.at(-1) ?? ''
    this.#running.set(runId, { tool: name, toolCallId, startedAt: performance.now(), tokens: [] })
  }

  override handleToolEnd(output: unknown, runId: string): void {
    this.#report(runId, readEnding(output))
  }

  override handleToolError(error: unknown, runId: string): void {
    const isInterrupt = error instanceof Error && error.name === 'GraphInterrupt'
    const { code, auditId }: Partial<AuthsecError> = AuthsecError.is(error) ? error : {}
    this.#report(runId, { outcome: isInterrupt ? 'interrupted' : 'failed', code, auditId })
  }

  /** Called by the tools of this package with each token that they are given. */
  noteToken(runId: string, { jti, audience, permissions, auditId }: DelegationToken): void {
    this.#running.get(runId)?.tokens.push({ jti, audience, permissions, auditId })
  }

  #report(runId: string, { outcome, code, auditId }: Ending): void {
    const running = this.#running.get(runId)
    if (running === undefined) return
    this.#running.delete(runId)
    const { startedAt, ...run } = running
    const duration = performance.now() - startedAt
    try {
      this.onToolRun({ ...run, runId, outcome, code, auditId, duration })
    } catch {}
  }
}

/** What LangChain hands to a tool that somebody watches. */
export interface RunManager {
  runId: string
  handlers: readonly unknown[]
}

/** Tells the handlers of ours among those of a run which token a tool was given. */
export function noteToken({ handlers, runId }: RunManager, token: DelegationToken): void {
  for (const handler of handlers) {
    if (handler instanceof AuthsecCallbackHandler) handler.noteToken(runId, token)
  }
}

function readEnding(output: unknown): Ending {
  const { status, artifact } = (output ?? {}) as { status?: unknown; artifact?: unknown }
  if (status !== 'error') return { outcome: 'done' }
  const { code, auditId } = (artifact ?? {}) as { code?: unknown; auditId?: unknown }
  if (typeof code !== 'string') return { outcome: 'failed' }
  return { outcome: 'denied', code, auditId: typeof auditId === 'string' ? auditId : undefined }
}
