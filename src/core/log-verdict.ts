import { type Checkpoint, isCutNote, parseCheckpoint, type VerifySignature } from './checkpoint.js'
import type { LogFault, ReadTile } from './log-faults.js'
import { createLogNotes, type LogNotes, takeNotes, timeOf } from './log-notes.js'
import { type ReceiptState, type TokenReceipt, weighReceipt } from './log-receipt.js'
import {
  type Anchor,
  followKeys,
  judgeSignature,
  type KnownKey,
  type Signature,
  type WeighedAnchors,
  weighAnchors,
} from './log-trust.js'
import { type LogWalk, walkLog } from './log-walk.js'
import { equalHashes, type Sha256 } from './merkle.js'

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

export interface VerdictRequest {
  /** The signed head, as it lies there. */
  note: string | undefined
  readTile: ReadTile
  /**
   * Reads the head once more, of a log that goes on meanwhile: a record that is pruned while the log is walked through
   * is told of behind the head that was read first.
   */
  readNote?: (() => Promise<string | undefined>) | undefined
  /** How many records lie behind a head of this size, where that can be seen. */
  countBehind?: ((size: number) => Promise<number>) | undefined
  /** The key to believe, where it is from, and whether that is anybody but the log itself. */
  key: KnownKey | undefined
  /** Checkpoints by which an older key vouches for a newer one. */
  handovers: readonly string[]
  anchors: readonly Anchor[]
  token?: TokenReceipt | undefined
  /** Whether the log is read at its server, after the token was given out; default: it is a copy of any time. */
  isLive?: boolean | undefined
  sha256: Sha256
  verify: VerifySignature
}

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
  /** Those that are not as they were signed. */
  forgedAnchors: readonly Anchor[]
  firstAt: string | undefined
  lastAt: string | undefined
  /** How many records lie behind the head. */
  behind: number
  warnings: readonly string[]
  /** What was asked for and cannot be told, as clauses. */
  undecided: readonly string[]
  /** What the log says of the token that was given. */
  token: ReceiptState | undefined
}

/** Checks a log, given its files and what is known of it beforehand. Throws what reading throws. */
export async function judgeLog(request: VerdictRequest): Promise<LogReport> {
  const { note, readTile, readNote, countBehind, sha256, verify, key, anchors } = request
  const first = parseNote(note)
  if (first === undefined) return withoutHead(note)
  const { origin } = first
  const notes = createLogNotes()
  const handovers = request.handovers.flatMap((text) => parseNote(text) ?? [])
  const own = anchors.filter(({ checkpoint }) => checkpoint.origin === origin)
  const walk = await walkLog({
    head: first,
    readHead: async () => {
      const next = parseNote(await readNote?.())
      return next?.origin === origin ? next : undefined
    },
    readTile,
    sha256,
    sizes: new Set([...own.map(({ checkpoint: { size } }) => size), ...handovers.map(({ size }) => size)]),
    onRecords: (start, records) => takeNotes(notes, start, records, request.token?.eventId),
    prunedBelow: () => notes.prunedBelow,
  })
  const checkpoint = walk.head
  const trusted = followKeys(origin, handovers, walk, notes, { key, sha256, verify })
  const signature = judgeSignature(checkpoint, trusted, verify)
  const weighed = weighAnchors(own, trusted, { key, verify })
  const agreeing = weighed.held.filter((anchor) => agrees(anchor, checkpoint, walk))
  const token = request.token && weighReceipt(request.token, notes, walk, request.isLive ?? false)
  const behind = Math.max(walk.behind, (await countBehind?.(checkpoint.size)) ?? 0)
  const findings: Findings = { request, checkpoint, walk, signature, weighed, agreeing, token }
  const [verdict, statement] = decide(findings)
  return {
    verdict,
    statement,
    checkpoint,
    signature,
    walk,
    fault: walk.fault,
    anchors: agreeing,
    forgedAnchors: weighed.forged,
    firstAt: timeOf(walk.first),
    lastAt: timeOf(walk.last),
    behind,
    warnings: listWarnings(findings, notes, behind),
    undecided: listUndecided(findings),
    token,
  }
}

/** Whether a report proves as much as is required. */
export function proves({ verdict, anchors, undecided }: LogReport, required: Evidence): boolean {
  if (undecided.length > 0) return false
  if (verdict === 'LINKED') return required === 'linked'
  return verdict === 'INTACT' && (required !== 'anchored' || anchors.length > 0)
}

interface Findings {
  request: VerdictRequest
  checkpoint: Checkpoint
  walk: LogWalk
  signature: Signature
  weighed: WeighedAnchors
  agreeing: readonly Anchor[]
  token: ReceiptState | undefined
}

// The gravest first.
function decide(findings: Findings): [Verdict, string] {
  const { request, checkpoint, walk, signature, weighed, agreeing, token } = findings
  const { key } = request
  const { size } = checkpoint
  const { fault } = walk
  const differing = weighed.held.filter((anchor) => !agreeing.includes(anchor))
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
  if (fault !== undefined) return ['INCOMPLETE', describeMissing(fault, walk)]
  if (token?.is === 'absent') {
    return ['SUPPRESSED', `the event ${request.token?.eventId} of the token is not in the log`]
  }
  if (key === undefined || !key.isPinned) {
    return ['LINKED', `everything up to ${size} hangs together; who signed it is not known`]
  }
  return ['INTACT', `everything up to ${size} is what was signed by ${key.source}; later records are unknown`]
}

// What is pruned stands there as its hash.
function describeMissing({ index }: LogFault, { pruned }: LogWalk): string {
  return index < pruned
    ? `record ${index} has been pruned, and its hash is missing as well`
    : `record ${index} is missing, and nothing in the log says why`
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

function parseNote(note: string | undefined): Checkpoint | undefined {
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
      : isCutNote(note)
        ? ['INCOMPLETE', 'the checkpoint is cut off, as a crash leaves it: what was signed cannot be known']
        : ['UNSIGNED', 'the checkpoint cannot be read: nothing it says counts']
  return {
    verdict,
    statement,
    checkpoint: undefined,
    signature: 'bad',
    walk: undefined,
    fault: undefined,
    anchors: [],
    forgedAnchors: [],
    firstAt: undefined,
    lastAt: undefined,
    behind: 0,
    warnings: [],
    undecided: [],
    token: undefined,
  }
}

function agrees({ checkpoint: anchor }: Anchor, head: Checkpoint, walk: LogWalk): boolean {
  const root = anchor.size === head.size ? head.root : walk.roots.get(anchor.size)
  return root !== undefined && equalHashes(root, anchor.root)
}

// Where records are missing without a trace, the root at that size cannot be known either.
function isHidden({ checkpoint: { size } }: Anchor, { fault }: LogWalk): boolean {
  return fault !== undefined && fault.index < size
}

function listWarnings({ walk }: Findings, notes: LogNotes, behind: number): string[] {
  const { isTorn, faultyTiles, cutTiles, fault, pruned } = walk
  const warnings: string[] = []
  if (notes.clockSteps.length > 0) warnings.push(describeClockSteps(notes.clockSteps))
  if (pruned > 0) warnings.push(`the records below ${pruned} have been pruned, as the log says itself`)
  if (isTorn) warnings.push('the last bundle ends in the middle of a record, as a crash leaves it')
  if (faultyTiles.length > 0 && fault?.kind !== 'tile') warnings.push('tiles of hashes are damaged as well')
  if (cutTiles.length > 0) {
    const more = cutTiles.length === 1 ? '' : ` and ${cutTiles.length - 1} more`
    warnings.push(`the hashes in ${cutTiles[0]}${more} are cut off or gone, as a crash leaves them`)
  }
  if (behind > 0)
    warnings.push(`the ${behind} records after the checkpoint are not signed: they prove nothing`)
  return warnings
}

/** How many steps of a clock are told one by one. */
const TOLD_STEPS = 3

function describeClockSteps(steps: LogNotes['clockSteps']): string {
  const told = steps
    .slice(0, TOLD_STEPS)
    .map(({ index, seconds }) => `${seconds === undefined ? '' : `${seconds} s `}at ${index}`)
  const often = steps.length === 1 ? 'once' : `${steps.length} times`
  const more = steps.length > TOLD_STEPS ? ' and later' : ''
  return `the clock of the server stepped back ${often}: ${told.join(', ')}${more}`
}

function listUndecided({ request, checkpoint: { origin }, weighed, token }: Findings): string[] {
  const foreign = request.anchors.filter(({ checkpoint }) => checkpoint.origin !== origin)
  const undecided = [
    ...foreign.map(
      ({ name, checkpoint }) =>
        `${name} is of another log (${checkpoint.origin}), so it says nothing about ${origin}`,
    ),
    ...weighed.unsigned.map(
      ({ name }) => `${name} is signed by no key that is known of this log, so it proves nothing`,
    ),
  ]
  if (token?.is === 'undecided') {
    undecided.push(`whether the event ${request.token?.eventId} of the token was recorded: ${token.why}`)
  }
  return undecided
}
