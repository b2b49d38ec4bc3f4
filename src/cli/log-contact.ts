import { openLiveLog } from '../api/audit-log.js'
import type { ApiTarget } from '../api/http.js'
import {
  type Checkpoint,
  formatNote,
  formatVerifierKey,
  isSignedBy,
  parseCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '../core/checkpoint.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { type LogSource, readNodesOf } from '../core/log-source.js'
import type { KnownKey } from '../core/log-trust.js'
import { judgeLog } from '../core/log-verdict.js'
import { proveConsistency, verifyConsistency } from '../core/merkle.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Context } from './context.js'
import { type KnownLog, openKnownLogs, type SeenLogs } from './known-logs.js'
import { sha256, verifyEd25519 } from './log-crypto.js'

/** The head of a server's log, checked as far as this machine can. */
export interface LogContact {
  checkpoint: Checkpoint
  key: KnownKey
  verifierKey: string
}

/** The log of a server, for which a limit is waited out. */
export function openServerLog({ clock, signal }: Context, target: ApiTarget): LogSource {
  return openLiveLog(target, (ms) => clock.sleep(ms, signal))
}

/**
 * Reads the head of the log of a server and holds it against what this machine has seen of it: throws `audit_altered`
 * for a head that contradicts it or is signed by a key that the known one has not handed over to, and
 * `audit_incomplete` for one that is older. What is good is what the next contact is held against. That the server has
 * another log than before is told as a warning.
 */
export async function contactLog(
  context: Context,
  source: LogSource,
  serverUrl: string,
): Promise<LogContact> {
  // First, so that no head is held against one that another command has seen after it.
  const seen = await openKnownLogs(context).read()
  const note = await source.readCheckpoint()
  if (note === undefined) throw new AuthsecError('not_found', `${serverUrl} publishes no audit log`)
  const checkpoint = parseCheckpoint(note)
  const { verifierKey: told, handovers } = await source.readKeys()
  const known = seen.find(checkpoint.origin)
  const first = chooseKey(undefined, known, told)
  if (first === undefined) {
    throw new AuthsecError('server_error', `${serverUrl} does not name the key of its audit log`)
  }
  const key = isSignedBy(checkpoint, first.key, verifyEd25519)
    ? first
    : await followHandovers({ source, checkpoint, handovers, told }, first)
  if (known?.checkpoint !== undefined)
    await assertGoesOn(source, parseCheckpoint(known.checkpoint), checkpoint)
  const change = describeNewLog(seen, serverUrl, checkpoint.origin)
  if (change !== undefined) context.io.warn(change)
  const verifierKey = formatVerifierKey(key.key)
  await keepContact(context, { checkpoint, verifierKey, serverUrl }, known)
  return { checkpoint, key, verifierKey }
}

interface Handover {
  source: LogSource
  checkpoint: Checkpoint
  handovers: readonly string[]
  /** The key that the log names as its own. */
  told: string | undefined
}

/**
 * The key that has taken over from the known one, as only the whole log can prove. What else has signed the head does
 * not count in that.
 */
async function followHandovers(
  { source, checkpoint, handovers, told }: Handover,
  known: KnownKey,
): Promise<KnownKey> {
  const key = told === undefined ? known.key : parseVerifierKey(told, sha256)
  const own = checkpoint.signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId)
  if (own.length > 0) {
    const { verdict, signature } = await judgeLog({
      note: formatNote(checkpoint.text, own),
      readTile: source.readTile,
      // Wherever it is from, the question here is only whether it has handed over.
      key: { ...known, isPinned: true },
      handovers,
      anchors: [],
      sha256,
      verify: verifyEd25519,
    })
    if (verdict === 'INTACT' && signature === 'handed over') return { ...known, key }
  }
  throw new AuthsecError(
    'audit_altered',
    'the audit log is signed by another key than the one that is known here',
    { hint: 'The log does not prove that the one has taken over from the other: see authsec audit verify.' },
  )
}

/** What a server answers that has no log to look at, or that cannot answer. */
const NO_HEAD: ReadonlySet<ErrorCode> = new Set([
  'not_found',
  'checkpoint_malformed',
  'server_error',
  'invalid_request',
  'network',
  'timed_out',
  'rate_limited',
  'temporarily_unavailable',
])

/**
 * The same for a command that is about something else: undefined for a server that publishes no log, which is told
 * where it did when it was seen last. Where something is known of its log, a head that cannot be read is a failure.
 */
export async function greetLog(context: Context, target: ApiTarget): Promise<LogContact | undefined> {
  const { io } = context
  const knownLogs = openKnownLogs(context)
  try {
    return await contactLog(context, openServerLog(context, target), target.serverUrl)
  } catch (error) {
    if (!AuthsecError.is(error) || !NO_HEAD.has(error.code)) throw error
    if ((await knownLogs.read()).findLast(target.serverUrl) === undefined) return undefined
    if (error.code !== 'not_found') throw refuseUnread(error, knownLogs.path)
    io.warn('this server published its audit log when it was seen last, and does not any more')
    return undefined
  }
}

function refuseUnread(error: AuthsecError, path: string): AuthsecError {
  const { code, message, retryable, retryAfterMs, requestId } = error
  return new AuthsecError(code, `the head of the audit log cannot be read: ${message}`, {
    hint:
      error.hint ??
      `Nothing tells whether the log goes on from what was seen of it, as ${quote(path, 200)} says.`,
    retryable,
    retryAfterMs,
    requestId,
    cause: error,
  })
}

/** Says in words that a server has another log than when a command met it last; undefined where it has not. */
export function describeNewLog(seen: SeenLogs, serverUrl: string, origin: string): string | undefined {
  const last = seen.findLast(serverUrl)
  if (last === undefined || last.origin === origin) return undefined
  const size = last.checkpoint === undefined ? '' : `, ${parseCheckpoint(last.checkpoint).size} records`
  return `this server had another log when it was seen last (${toPrintable(last.origin)}${size}): it was reset, or another state took its place`
}

const KEY_FROM = {
  start: 'the key of your server',
  given: 'the key that was supplied before',
  'first contact': 'the key known here since the first contact',
} as const

/** The key to believe: the one that was given, then the one that is known here, then the one that the log names. */
export function chooseKey(
  given: VerifierKey | undefined,
  known: KnownLog | undefined,
  told: string | undefined,
): KnownKey | undefined {
  if (given !== undefined) return { key: given, source: 'the key you supplied', isPinned: true }
  if (known !== undefined) {
    // What was told at the first contact is the word of the log itself: that it is told once more proves nothing new.
    const isPinned = known.source !== 'first contact'
    return { key: parseVerifierKey(known.verifier_key, sha256), source: KEY_FROM[known.source], isPinned }
  }
  if (told === undefined) return undefined
  return { key: parseVerifierKey(told, sha256), source: 'the key that the log names itself', isPinned: false }
}

/**
 * Keeps a head that was found good, with the key that it is believed by, in place of what was known when it was held
 * against that: what another command has kept meanwhile stays. Where nothing can be written that is a warning, because
 * what was asked for is there.
 */
export async function keepContact(
  context: Context,
  {
    checkpoint,
    verifierKey,
    serverUrl,
    isGiven = false,
  }: { checkpoint: Checkpoint; verifierKey: string; serverUrl: string; isGiven?: boolean },
  known: KnownLog | undefined,
): Promise<void> {
  const { io, clock } = context
  const knownLogs = openKnownLogs(context)
  const met = { [serverUrl]: new Date(clock.now()).toISOString() }
  const keep = (current: KnownLog | undefined): KnownLog => {
    const isAsKnown =
      current?.verifier_key === known?.verifier_key && current?.checkpoint === known?.checkpoint
    return {
      source: isGiven ? 'given' : (known?.source ?? 'first contact'),
      verifier_key: verifierKey,
      checkpoint: checkpoint.note,
      ...(!isAsKnown && current),
      servers: { ...current?.servers, ...met },
    }
  }
  await knownLogs.update(checkpoint.origin, keep).catch((error: unknown) => {
    if (!AuthsecError.is(error, 'configuration')) throw error
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
  const read = readNodesOf(source, newer.size, sha256)
  const proof = await proveConsistency(older.size, newer.size, read, sha256)
  if (verifyConsistency(older, newer, proof, sha256)) return
  throw new AuthsecError(
    'audit_altered',
    `the audit log is another one than it was when it had ${older.size} records`,
    { hint: 'It has been rewritten, or two servers tell two stories: see authsec audit verify.' },
  )
}
