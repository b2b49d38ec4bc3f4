import {
  type Checkpoint,
  isSignedBy,
  parseCheckpoint,
  parseVerifierKey,
  type VerifierKey,
  type VerifySignature,
} from './checkpoint.js'
import { AuthsecError } from './errors.js'
import type { LogFault, ReadTile } from './log-faults.js'
import { type LogWalk, walkLog } from './log-walk.js'
import { equalHashes, type Sha256 } from './merkle.js'
import { isJsonObject, type JsonObject } from './strict-json.js'

/**
 * What a log turns out to be. `INTACT`: what the known key signed; `LINKED`: whole in itself, by a key that nobody
 * vouches for. All others say what is wrong with it.
 */
export type Verdict =
  | 'INTACT'
  | 'LINKED'
  | 'ALTERED'
  | 'FORKED'
  | 'UNSIGNED'
  | 'KEY'
  | 'TRUNCATED'
  | 'INCOMPLETE'
  | 'SUPPRESSED'

/**
 * How much has to be proven: that the log is whole in itself, that a known key signed it, that it goes on from an
 * anchor.
 */
export type Evidence = 'linked' | 'signed' | 'anchored'

/** A head of the log that somebody has kept. */
export interface Anchor {
  name: string
  checkpoint: Checkpoint
}

export interface KnownKey {
  key: VerifierKey
  source: string
  isPinned: boolean
}

export interface VerdictRequest {
  /** The signed head, as it lies there. */
  note: string | undefined
  readTile: ReadTile
  /** The key to believe, where it is from, and whether that is anybody but the log itself. */
  key: KnownKey | undefined
  /** Checkpoints by which an older key vouches for a newer one. */
  handovers: readonly string[]
  anchors: readonly Anchor[]
  /** A token that the server has given out: its event has to be there. */
  token?: { eventId: string; hash: string } | undefined
  sha256: Sha256
  verify: VerifySignature
}

/** How the signature under the head stands to the key that is known. */
export type Signature = 'good' | 'handed over' | 'unknown key' | 'bad' | 'not checked'

export interface LogReport {
  verdict: Verdict
  /** What the verdict means, as a clause. */
  statement: string
  checkpoint: Checkpoint | undefined
  signature: Signature
  walk: LogWalk | undefined
  fault: LogFault | undefined
  /** The anchors that the log agrees with. */
  anchors: readonly Anchor[]
  firstAt: string | undefined
  lastAt: string | undefined
  warnings: readonly string[]
  /** The place of the event of the token. */
  tokenIndex: number | undefined
}

/** What the log tells about itself while it is walked through. */
interface Notes {
  /** The verifier keys that it has announced, and where. */
  keys: { index: number; text: string }[]
  prunedBelow: number
  clockSteps: number
  token: { index: number; hash: string | undefined } | undefined
}

const utf8 = new TextDecoder()

/** Checks a log, given its files and what is known of it beforehand. Throws what reading throws. */
export async function judgeLog(request: VerdictRequest): Promise<LogReport> {
  const { note, readTile, sha256, key, anchors, token } = request
  const checkpoint = readNote(note)
  if (checkpoint === undefined) return withoutHead(note)
  const notes: Notes = { keys: [], prunedBelow: 0, clockSteps: 0, token: undefined }
  const handovers = request.handovers.flatMap((text) => readNote(text) ?? [])
  const own = anchors.filter(({ checkpoint: { origin } }) => origin === checkpoint.origin)
  const walk = await walkLog({
    head: checkpoint,
    readTile,
    sha256,
    sizes: new Set([...own.map(({ checkpoint: { size } }) => size), ...handovers.map(({ size }) => size)]),
    onRecords: (start, records) => takeNotes(notes, start, records, token?.eventId),
    prunedBelow: () => notes.prunedBelow,
  })
  const signature = judgeSignature(checkpoint, handovers, walk, notes, request)
  const agreeing = own.filter((anchor) => agrees(anchor, checkpoint, walk))
  const warnings = listWarnings(walk, notes, anchors, own, checkpoint)
  const [verdict, statement] = decide({ checkpoint, walk, signature, notes, own, agreeing, token, key })
  return {
    verdict,
    statement,
    checkpoint,
    signature,
    walk,
    fault: walk.fault,
    anchors: agreeing,
    firstAt: timeOf(walk.first),
    lastAt: timeOf(walk.last),
    warnings,
    tokenIndex: notes.token?.index,
  }
}

/** Whether a report proves as much as is required. */
export function proves({ verdict, anchors }: LogReport, required: Evidence): boolean {
  if (verdict === 'LINKED') return required === 'linked'
  return verdict === 'INTACT' && (required !== 'anchored' || anchors.length > 0)
}

interface Findings {
  checkpoint: Checkpoint
  walk: LogWalk
  signature: Signature
  notes: Notes
  own: readonly Anchor[]
  agreeing: readonly Anchor[]
  token: VerdictRequest['token']
  key: VerdictRequest['key']
}

// The gravest first.
function decide({
  checkpoint,
  walk,
  signature,
  notes,
  own,
  agreeing,
  token,
  key,
}: Findings): [Verdict, string] {
  const { size } = checkpoint
  const { fault } = walk
  const differing = own.filter((anchor) => !agreeing.includes(anchor))
  const fork = differing.find((anchor) => anchor.checkpoint.size <= size && !isHidden(anchor, walk))
  if (signature === 'bad')
    return ['UNSIGNED', 'the signature under the checkpoint is not good: nothing it says counts']
  if (signature === 'unknown key')
    return ['KEY', `the checkpoint is signed, but not by ${key?.source ?? 'a known key'}`]
  if (fault !== undefined && ALTERING.has(fault.kind)) return ['ALTERED', describeAltered(fault)]
  if (fork) return ['FORKED', `at ${fork.checkpoint.size} this log is another one than ${fork.name} has seen`]
  const ahead = differing.find((anchor) => anchor.checkpoint.size > size)
  if (ahead)
    return ['TRUNCATED', `${ahead.name} has seen ${ahead.checkpoint.size} records, this log ends at ${size}`]
  if (fault?.kind === 'cut') {
    return walk.isTorn
      ? [
          'INCOMPLETE',
          `the records end in the middle of ${fault.index}, as a crash leaves them; ${size} were signed`,
        ]
      : ['TRUNCATED', `the records end at ${fault.index}, and ${size} were signed`]
  }
  if (fault !== undefined)
    return ['INCOMPLETE', `record ${fault.index} is missing, and nothing in the log says why`]
  if (token !== undefined && notes.token === undefined) {
    return ['SUPPRESSED', `the event ${token.eventId} of the token is not in the log`]
  }
  if (token !== undefined && notes.token?.hash !== token.hash) {
    return ['ALTERED', `record ${notes.token?.index} names another token than the one that was given`]
  }
  if (key === undefined || !key.isPinned) {
    return ['LINKED', `everything up to ${size} hangs together; who signed it is not known`]
  }
  return ['INTACT', `everything up to ${size} is what was signed by ${key.source}; later records are unknown`]
}

const ALTERING: ReadonlySet<LogFault['kind']> = new Set(['altered', 'moved', 'repeated', 'tile', 'root'])

function describeAltered({ kind, index, path, good }: LogFault): string {
  switch (kind) {
    case 'tile':
      return `the hashes in ${path} are not those of the records, which are what was signed`
    case 'root':
      return `a record from ${good} on is not what was signed, or the head is another log's`
    case 'repeated':
      return `record ${index} is an earlier one once more`
    case 'moved':
      return `record ${index} stands at another place than it was signed at`
    default:
      return `record ${index} is not what was signed`
  }
}

function readNote(note: string | undefined): Checkpoint | undefined {
  try {
    return note === undefined ? undefined : parseCheckpoint(note)
  } catch {
    return undefined
  }
}

function withoutHead(note: string | undefined): LogReport {
  const [verdict, statement]: [Verdict, string] =
    note === undefined
      ? ['INCOMPLETE', 'there is no checkpoint: what was signed cannot be known']
      : ['UNSIGNED', 'the checkpoint cannot be read: nothing it says counts']
  return {
    verdict,
    statement,
    checkpoint: undefined,
    signature: 'bad',
    walk: undefined,
    fault: undefined,
    anchors: [],
    firstAt: undefined,
    lastAt: undefined,
    warnings: [],
    tokenIndex: undefined,
  }
}

/** Follows the keys: what a trusted key has signed may name the next one, which has signed it too. */
function judgeSignature(
  checkpoint: Checkpoint,
  handovers: readonly Checkpoint[],
  walk: LogWalk,
  notes: Notes,
  { key, sha256, verify }: VerdictRequest,
): Signature {
  if (key === undefined) return 'not checked'
  const trusted = [key.key]
  try {
    if (isSignedBy(checkpoint, key.key, verify)) return 'good'
    for (const handover of [...handovers].sort((one, other) => one.size - other.size)) {
      const root = walk.roots.get(handover.size)
      if (handover.origin !== checkpoint.origin || root === undefined || !equalHashes(root, handover.root))
        continue
      if (!trusted.some((known) => isSignedBy(handover, known, verify))) continue
      const named = notes.keys.filter(({ index }) => index < handover.size)
      for (const { text } of named) {
        const next = parseVerifierKey(text, sha256)
        if (next.name === checkpoint.origin && isSignedBy(handover, next, verify)) trusted.push(next)
      }
    }
    return trusted.some((known) => isSignedBy(checkpoint, known, verify)) ? 'handed over' : 'unknown key'
  } catch (error) {
    if (AuthsecError.is(error)) return 'bad'
    throw error
  }
}

function agrees({ checkpoint: anchor }: Anchor, head: Checkpoint, walk: LogWalk): boolean {
  const root = anchor.size === head.size ? head.root : walk.roots.get(anchor.size)
  return root !== undefined && equalHashes(root, anchor.root)
}

// Where records are missing without a trace, the root at that size cannot be known either.
function isHidden({ checkpoint: { size } }: Anchor, { fault }: LogWalk): boolean {
  return fault !== undefined && fault.kind !== 'tile' && fault.index < size
}

function takeNotes(
  notes: Notes,
  start: number,
  records: readonly Uint8Array[],
  eventId: string | undefined,
): void {
  const wanted = eventId === undefined ? undefined : `"id":"${eventId}"`
  for (const [at, record] of records.entries()) {
    if (!isNoted(record) && !(wanted !== undefined && utf8.decode(record).includes(wanted))) continue
    const event = parseRecord(record)
    const details = isJsonObject(event?.['details']) ? event['details'] : {}
    const type = event?.['type']
    const below = details['below']
    if (type === 'clock.stepped') notes.clockSteps++
    if (type === 'audit.pruned' && typeof below === 'number')
      notes.prunedBelow = Math.max(notes.prunedBelow, below)
    if (typeof type === 'string' && type.startsWith('key.'))
      notes.keys.push(...listVerifierKeys(details, start + at))
    if (eventId !== undefined && event?.['id'] === eventId) {
      const hash = event['token_hash']
      notes.token = { index: start + at, hash: typeof hash === 'string' ? hash : undefined }
    }
  }
}

const END = new TextEncoder().encode('","v":1}')
const TYPE = new TextEncoder().encode(',"type":"')
const QUOTE = 0x22
/** What the types begin with that are noted: `audit.pruned`, `clock.stepped`, `key.activated`. */
const NOTED: readonly (number | undefined)[] = ['a', 'c', 'k'].map((letter) => letter.charCodeAt(0))

// A record ends in its type, as its canonical form has it: of a million only a few are worth to be read for it. Any
// other form is read too.
function isNoted(record: Uint8Array): boolean {
  const end = record.length - END.length
  const start = record.lastIndexOf(QUOTE, end - 1) + 1
  const isCanonical = holds(record, END, end) && holds(record, TYPE, start - TYPE.length)
  return !isCanonical || NOTED.includes(record[start])
}

function holds(bytes: Uint8Array, part: Uint8Array, at: number): boolean {
  return part.every((byte, index) => bytes[at + index] === byte)
}

function listVerifierKeys(details: JsonObject, index: number): { index: number; text: string }[] {
  const keys = details['verifier_keys']
  if (!Array.isArray(keys)) return []
  return keys.flatMap((text) => (typeof text === 'string' ? [{ index, text }] : []))
}

function listWarnings(
  { isTorn, faultyTiles, fault, pruned }: LogWalk,
  notes: Notes,
  anchors: readonly Anchor[],
  own: readonly Anchor[],
  { origin }: Checkpoint,
): string[] {
  const warnings: string[] = []
  if (notes.clockSteps > 0) warnings.push(`the clock of the server stepped back ${notes.clockSteps} times`)
  if (pruned > 0) warnings.push(`the records below ${pruned} have been pruned, as the log says itself`)
  if (isTorn) warnings.push('the last bundle ends in the middle of a record, as a crash leaves it')
  if (faultyTiles.length > 0 && fault?.kind !== 'tile') warnings.push('tiles of hashes are damaged as well')
  for (const { name, checkpoint } of anchors) {
    if (own.every((anchor) => anchor.name !== name)) {
      warnings.push(`${name} is of another log (${checkpoint.origin}), so it says nothing about ${origin}`)
    }
  }
  return warnings
}

function timeOf(record: Uint8Array | undefined): string | undefined {
  const at = record && parseRecord(record)?.['occurred_at']
  return typeof at === 'string' ? at : undefined
}

function parseRecord(record: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(utf8.decode(record))
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
