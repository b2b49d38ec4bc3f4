import { openLiveLog } from '../api/audit-log.js'
import type { ApiTarget } from '../api/http.js'
import {
  type Checkpoint,
  isSignedBy,
  parseCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '../core/checkpoint.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import type { LogSource } from '../core/log-source.js'
import { findTile, readNode } from '../core/log-tiles.js'
import type { KnownKey } from '../core/log-trust.js'
import { proveConsistency, type ReadNodes, verifyConsistency } from '../core/merkle.js'
import { toPrintable } from '../core/printable.js'
import type { Context } from './context.js'
import type { KnownLog } from './known-logs.js'
import { sha256, verifyEd25519 } from './log-crypto.js'

/** The head of a server's log, checked as far as this machine can. */
export interface LogContact {
  checkpoint: Checkpoint
  key: KnownKey
  verifierKey: string
}

/**
 * Reads the head of the log of a server and holds it against what this machine has seen of it: throws `audit_altered`
 * for a head that contradicts it or is signed by another key, and `audit_incomplete` for one that is older. What is
 * good is what the next contact is held against. That the server has another log than before is told as a warning.
 */
export async function contactLog(
  context: Context,
  source: LogSource,
  serverUrl: string,
): Promise<LogContact> {
  const note = await source.readCheckpoint()
  if (note === undefined) throw new AuthsecError('not_found', `${serverUrl} publishes no audit log`)
  const checkpoint = parseCheckpoint(note)
  const { verifierKey: told } = await source.readKeys()
  const known = await context.knownLogs.find(checkpoint.origin)
  const verifierKey = known?.verifier_key ?? told
  const key = chooseKey(undefined, known, told)
  if (key === undefined || verifierKey === undefined) {
    throw new AuthsecError('server_error', `${serverUrl} does not name the key of its audit log`)
  }
  // A key that has taken over from the known one is told apart by the whole log: authsec audit verify reads it.
  if (!isSignedBy(checkpoint, key.key, verifyEd25519)) {
    throw new AuthsecError(
      'audit_altered',
      'the audit log is signed by another key than the one that is known here',
      {
        hint: 'See with authsec audit verify whether the one has taken over from the other.',
      },
    )
  }
  if (known?.checkpoint !== undefined)
    await assertGoesOn(source, parseCheckpoint(known.checkpoint), checkpoint)
  const change = await describeNewLog(context, serverUrl, known)
  if (change !== undefined) context.io.warn(change)
  await keepContact(context, { checkpoint, verifierKey, serverUrl }, known)
  return { checkpoint, key, verifierKey }
}

/** What a server answers that has no log to look at. */
const NO_LOG: ReadonlySet<ErrorCode> = new Set([
  'not_found',
  'checkpoint_malformed',
  'server_error',
  'invalid_request',
])
/** What the command itself will meet as well. */
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set([
  'network',
  'timed_out',
  'rate_limited',
  'temporarily_unavailable',
])

/**
 * The same for a command that is about something else: undefined for a server that publishes no log, which is told
 * where it did when it was seen last.
 */
export async function greetLog(context: Context, target: ApiTarget): Promise<LogContact | undefined> {
  const { io, clock, signal, knownLogs } = context
  const source = openLiveLog(target, (ms) => clock.sleep(ms, signal))
  try {
    return await contactLog(context, source, target.serverUrl)
  } catch (error) {
    if (!AuthsecError.is(error) || !(NO_LOG.has(error.code) || NO_ANSWER.has(error.code))) throw error
    const wasThere = NO_LOG.has(error.code) && (await knownLogs.findLast(target.serverUrl)) !== undefined
    if (wasThere) io.warn('this server published its audit log when it was seen last, and does not any more')
    return undefined
  }
}

/** Says in words that a server has another log than when it was seen last; undefined where it has not. */
export async function describeNewLog(
  { knownLogs }: Context,
  serverUrl: string,
  known: KnownLog | undefined,
): Promise<string | undefined> {
  const last = known === undefined ? await knownLogs.findLast(serverUrl) : undefined
  if (last === undefined) return undefined
  const { origin, checkpoint } = last
  const size = checkpoint === undefined ? '' : `, ${parseCheckpoint(checkpoint).size} records`
  return `this server had another log when it was seen last (${toPrintable(origin)}${size}): it was reset, or another state took its place`
}

/** The key to believe: the one that was given, then the one that is known here, then the one that the log names. */
export function chooseKey(
  given: VerifierKey | undefined,
  known: KnownLog | undefined,
  told: string | undefined,
): KnownKey | undefined {
  if (given !== undefined) return { key: given, source: 'the key you supplied', isPinned: true }
  if (known !== undefined) {
    // What was told at the first contact is the word of the log itself: that it is told once more proves nothing new.
    const isPinned = known.source === 'start'
    const source = isPinned ? 'the key of your server' : 'the key known here since the first contact'
    return { key: parseVerifierKey(known.verifier_key, sha256), source, isPinned }
  }
  if (told === undefined) return undefined
  return { key: parseVerifierKey(told, sha256), source: 'the key that the log names itself', isPinned: false }
}

/**
 * Keeps a head that was found good; never one that is older than what is kept. Where nothing can be written that is a
 * warning, because what was asked for is there.
 */
export async function keepContact(
  { io, knownLogs, clock }: Context,
  { checkpoint, verifierKey, serverUrl }: { checkpoint: Checkpoint; verifierKey: string; serverUrl: string },
  known: KnownLog | undefined,
): Promise<void> {
  const seen: KnownLog = {
    server_url: serverUrl,
    verifier_key: known?.verifier_key ?? verifierKey,
    source: known?.source ?? 'first contact',
    checkpoint: checkpoint.note,
    seen_at: new Date(clock.now()).toISOString(),
  }
  await knownLogs.keep(checkpoint.origin, seen).catch((error: unknown) => {
    if (AuthsecError.is(error)) throw error
    io.warn(`what was seen of the audit log cannot be kept in ${toPrintable(knownLogs.path)}`)
  })
}

async function assertGoesOn(source: LogSource, older: Checkpoint, newer: Checkpoint): Promise<void> {
  if (older.size > newer.size) {
    throw new AuthsecError(
      'audit_incomplete',
      `the audit log had ${older.size} records when it was seen last, and now has ${newer.size}`,
      { hint: 'An older copy of it has been put back. Keep what you have, and ask who runs the server.' },
    )
  }
  const read: ReadNodes = (nodes) =>
    Promise.all(
      nodes.map(async (node) => {
        const tile = await source.readTile(findTile(node, newer.size))
        return (tile && readNode(node, tile, sha256)) ?? new Uint8Array(32)
      }),
    )
  const proof = await proveConsistency(older.size, newer.size, read, sha256)
  if (verifyConsistency(older, newer, proof, sha256)) return
  throw new AuthsecError(
    'audit_altered',
    `the audit log is another one than it was when it had ${older.size} records`,
    { hint: 'It has been rewritten, or two servers tell two stories: see authsec audit verify.' },
  )
}
