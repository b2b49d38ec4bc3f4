import { AuthsecError } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import type { ServingOptions } from '../server/run.js'
import type { StatePlace } from '../server/state.js'
import type { Context } from './context.js'
import { openKnownLogs } from './known-logs.js'
import { writePrivateFile } from './private-file.js'
import type { ServeFlags } from './serving-flags.js'

/** What is done around the life of a server; both may fail. */
export interface Ceremony {
  announce(): Promise<void>
  withdraw?(): Promise<void>
  /** What a program needs to know, and where it looks for it. */
  ready: { file: string | undefined; content: Record<string, unknown> }
}

/** Announces a server, waits until it is asked to stop, and stops it; throws what asked for it. */
export async function runUntilStopped(
  { io, signal }: Context,
  server: { close(): Promise<void> },
  { announce, withdraw = async () => {}, ready }: Ceremony,
): Promise<never> {
  const text = `${JSON.stringify(ready.content)}\n`
  try {
    if (ready.file !== undefined) await writePrivateFile(ready.file, text)
    await announce()
    await untilAborted(signal)
    io.note('stopping')
  } finally {
    // Whatever happens to the files, the port and the state are given back.
    await withdraw()
      .then(() => (ready.file === undefined ? undefined : removeOwnFile(ready.file, text)))
      .finally(() => server.close())
  }
  throw signal.reason
}

/** The options of a server that say how it meets the network, in either mode. */
export async function readServingOptions(
  context: Context,
  {
    ephemeral,
    port,
    host,
    allowHost,
    cors,
    rateLimits,
    trustProxy,
    lease,
    drain,
    auditHighWater,
    auditRetention,
    personalRetention,
    acceptClock,
    ...timings
  }: ServeFlags,
): Promise<ServingOptions & Pick<StatePlace, 'auditHighWater'> & { host: string }> {
  const { io } = context
  // A state in memory has a log that nobody has seen.
  const seenHeads = ephemeral ? [] : (await openKnownLogs(context).read()).heads
  return {
    port,
    host,
    allowedHosts: allowHost,
    origins: cors,
    ...(rateLimits !== undefined && { rateLimits }),
    proxies: trustProxy,
    drainSeconds: drain,
    replicaTimings: { leaseSeconds: lease },
    keyTimings: {
      rotateSeconds: timings.rotateEvery,
      publishSeconds: timings.publishAhead,
      maxCallTtl: timings.maxCallTtl,
      skewSeconds: timings.clockSkew,
    },
    auditHighWater,
    seenHeads,
    auditRetentionSeconds: auditRetention,
    personalRetentionSeconds: personalRetention,
    acceptClock,
    onSurprise: createSurpriseLog(io),
  }
}

// The caller is told nothing but a request id: whoever runs the server has to hear of it here.
function createSurpriseLog(io: Context['io']): NonNullable<ServingOptions['onSurprise']> {
  let told: string | undefined
  return (error, { source, requestId }) => {
    io.warn(`${source} failed, request ${requestId}: ${toPrintable(describeSurprise(error))}`)
    const hint = AuthsecError.is(error) ? error.hint : undefined
    // Many requests fail for one reason: what to do about it is said once.
    if (hint !== undefined && hint !== told) io.complain(`hint: ${toPrintable(hint)}`)
    told = hint
  }
}

function describeSurprise(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

// Another server may have written there since: only what is still ours is taken back.
async function removeOwnFile(path: string, text: string): Promise<void> {
  const { readFile, rm } = await import('node:fs/promises')
  const current = await readFile(path, 'utf8').catch(() => undefined)
  if (current === text) await rm(path, { force: true })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
