import { encodeBase64 } from '../core/base64.js'
import type { LogFault } from '../core/log-faults.js'
import type { KnownKey, Signature } from '../core/log-trust.js'
import type { LogReport, Verdict } from '../core/log-verdict.js'
import { toPrintable } from '../core/printable.js'
import { wrapText } from './columns.js'
import type { Style } from './io.js'

/** What was checked of a log, and what came of it. */
export interface LogReportOutput {
  /**
   * INTACT: what the known key signed; LINKED: whole in itself, by a key that nobody vouches for. ALTERED: something is
   * not what was signed; FORKED: somebody has seen another history; UNSIGNED: the signature is not good; KEY: another key
   * signed; TRUNCATED: the end is gone; INCOMPLETE: something is missing; SUPPRESSED: the event of the token is not
   * there.
   */
  verdict: Verdict
  /** What the verdict means, in words. */
  statement: string
  /** What it does and does not prove, in words. */
  proves: string
  /** Of the log, `authsec/<random log id>`; null where the head cannot be read. */
  origin: string | null
  /** How many records were signed; null where the head cannot be read. */
  size: number | null
  /** The hash over all of them that was signed, in base64; null where the head cannot be read. */
  root: string | null
  /** The same as it follows from the records, in base64; null where none were read. */
  computed_root: string | null
  /**
   * How the signature under the head stands to the key that is believed. `handed_over`: it is by a later key, for which
   * that one vouches; `bad` also where the head cannot be read; `not_checked`: no key is believed.
   */
  signature: WordOf<Signature>
  /** The key that is believed; null where there is none. */
  key: KeyOutput | null
  /** How many records were found; absent where none were read. */
  records?: RecordCounts | undefined
  /** When the first record was made, RFC 3339; null where that is not known. */
  first_at: string | null
  /** When the last record was made, RFC 3339; null where that is not known. */
  last_at: string | null
  /** The heads kept elsewhere that the log agrees with. */
  anchors: readonly AnchorOutput[]
  /** What is wrong, at its first place; null where nothing is. */
  fault: FaultOutput | null
  /** The place of the event of the token; null where none was given or it is not there. */
  token_index: number | null
  /** What was asked for and cannot be told from what is there, in words: then nothing passes. */
  undecided: readonly string[]
  /** What else should be known, in words. */
  warnings: readonly string[]
}

interface KeyOutput {
  /** Of the log that it signs. */
  name: string
  /** A short hash of it, in hexadecimal. */
  id: string
  /** From where it is known, in words. */
  source: string
  /** Whether anybody but the log itself vouches for it. */
  pinned: boolean
}

interface RecordCounts {
  read: number
  missing: number
  altered: number
  /** Those at another place than they were signed at. */
  out_of_order: number
  /** Those, from the first on, that were taken out by a rule that is itself recorded. */
  pruned: number
  /** Those that lie after the head, which nobody has signed. */
  after_checkpoint: number
}

interface AnchorOutput {
  /** The file of the head, or `last contact`. */
  name: string
  /** Of the log at that head, in records. */
  size: number
}

interface FaultOutput {
  /**
   * `cut`: the records end too early; `tile`: hashes that are not those of the records; `root`: not to be told closer.
   */
  kind: LogFault['kind']
  /** The first record that is concerned. */
  index: number
  /** The file of the hashes that are not those of the records; null where it is a record. */
  tile: string | null
  /** The hash of the record that was signed, in hexadecimal; null where it is not known. */
  expected: string | null
  /** The hash of the record that is there, in hexadecimal; null where there is none. */
  actual: string | null
  /** How many records, from the first on, are what was signed. */
  good: number
  /** The next ones behind the fault that are as well; null where there are none, or nothing tells. */
  good_after: { first: number; last: number } | null
}

/** A text of several words as one. */
type WordOf<Text extends string> = Text extends `${infer Head} ${infer Rest}`
  ? `${Head}_${WordOf<Rest>}`
  : Text

/** What a verdict does and does not prove, in one sentence. */
const PROOFS: Readonly<Record<Verdict, string>> = {
  INTACT: 'nothing up to there was changed, removed or added by anybody without that key',
  LINKED: 'nothing was changed by accident; whoever can write the log could have written all of it anew',
  ALTERED: 'what is stored is not what was signed; who changed it, and what stood there, this does not tell',
  FORKED: 'two histories of one log exist; which of them others have seen, this does not tell',
  UNSIGNED: 'it may be damaged or made up; about the records themselves this says nothing',
  KEY: 'it may have been written anew by somebody else, or the key was replaced and nobody told you',
  TRUNCATED: 'records that existed are not there; what is there is good as far as it is told above',
  INCOMPLETE: 'something is missing; whether a crash or a person took it, this does not tell',
  SUPPRESSED: 'the server gave the token out, or somebody forged its name; the log does not know it',
}

const SIGNATURES: Readonly<Record<Signature, string>> = {
  good: 'signature good',
  'handed over': 'signed by a key to which the known one has handed over',
  'unknown key': 'signed by another key',
  bad: 'signature NOT good',
  'not checked': 'signature not checked',
}

/** Tells people what was checked, and what came of it. */
export function formatLogReport(
  report: LogReport,
  key: KnownKey | undefined,
  width: number,
  style: Style,
): string[] {
  const { verdict, statement, checkpoint, walk, anchors, firstAt, lastAt, warnings, fault, token } = report
  const rows: [string, string][] = []
  if (checkpoint !== undefined) rows.push(['log', `${checkpoint.origin}   ${describeKey(key)}`])
  if (checkpoint !== undefined && walk !== undefined) {
    const isSigned = encodeBase64(walk.root) === encodeBase64(checkpoint.root)
    const { pruned } = walk
    const left = pruned > 0 ? `, of which ${pruned} … ${checkpoint.size - 1} are left` : ''
    rows.push(['range', `0 … ${checkpoint.size - 1}${left}   ${firstAt ?? '?'} … ${lastAt ?? '?'}`])
    rows.push([
      'records',
      `${walk.read} read   ${walk.missing} missing   ${walk.altered} altered   ${walk.moved} out of order`,
    ])
    rows.push([
      'tree',
      `root ${encodeBase64(walk.root)}  ${isSigned ? 'matches' : 'does NOT match'} the checkpoint at ${checkpoint.size} (${SIGNATURES[report.signature]})`,
    ])
    rows.push([
      'history',
      anchors.length === 0
        ? 'no anchor: what was before this copy was made is not known'
        : `consistent with ${anchors.map(({ name, checkpoint: { size } }) => `${name}@${size}`).join(', ')}`,
    ])
  }
  if (checkpoint !== undefined) rows.push(['tail', `${report.behind} records after the checkpoint`])
  if (token?.is === 'there') rows.push(['token', `its event is record ${token.index}`])
  if (token?.is === 'other')
    rows.push(['token', `record ${token.index}, which it names, is of another token`])
  for (const question of report.undecided) rows.push(['undecided', question])
  for (const warning of warnings) rows.push(['warning', warning])
  if (fault !== undefined) rows.push(...describeFault(fault))
  rows.push(['proves', PROOFS[verdict]])
  const paint = verdict === 'INTACT' ? style.good : verdict === 'LINKED' ? style.caution : style.bad
  return [
    ...rows.map(([name, text]) => wrapText(`${name.padEnd(9)} ${toPrintable(text)}`, width, ' '.repeat(10))),
    `${paint(verdict)}  ${wrapText(toPrintable(statement), width - verdict.length - 2, '  ')}`,
  ]
}

/** The same for programs. */
export function describeLogReport(report: LogReport, key: KnownKey | undefined): LogReportOutput {
  const { verdict, statement, checkpoint, walk, anchors, fault } = report
  return {
    verdict,
    statement,
    proves: PROOFS[verdict],
    origin: checkpoint?.origin ?? null,
    size: checkpoint?.size ?? null,
    root: checkpoint === undefined ? null : encodeBase64(checkpoint.root),
    computed_root: walk === undefined ? null : encodeBase64(walk.root),
    signature: report.signature.replaceAll(' ', '_') as WordOf<Signature>,
    key:
      key === undefined
        ? null
        : { name: key.key.name, id: key.key.keyId, source: key.source, pinned: key.isPinned },
    records: walk && {
      read: walk.read,
      missing: walk.missing,
      altered: walk.altered,
      out_of_order: walk.moved,
      pruned: walk.pruned,
      after_checkpoint: report.behind,
    },
    first_at: report.firstAt ?? null,
    last_at: report.lastAt ?? null,
    anchors: anchors.map(({ name, checkpoint: { size } }) => ({ name, size })),
    fault:
      fault === undefined
        ? null
        : {
            kind: fault.kind,
            index: fault.index,
            tile: fault.path ?? null,
            expected: fault.expected ?? null,
            actual: fault.actual ?? null,
            good: fault.good,
            good_after: fault.goodAfter ? { first: fault.goodAfter[0], last: fault.goodAfter[1] } : null,
          },
    token_index: report.token?.is === 'there' ? report.token.index : null,
    undecided: report.undecided,
    warnings: report.warnings,
  }
}

function describeKey(key: KnownKey | undefined): string {
  if (key === undefined) return 'no key'
  return `key ${key.key.keyId} (Ed25519), ${key.source}${key.isPinned ? '' : ': nobody else vouches for it'}`
}

function describeFault({
  kind,
  index,
  path,
  expected,
  actual,
  good,
  goodAfter,
}: NonNullable<LogReport['fault']>): [string, string][] {
  const rows: [string, string][] = [['finding', `${kind} at ${path ?? `record ${index}`}`]]
  if (expected !== undefined) rows.push(['expected', expected])
  if (actual !== undefined) rows.push(['actual', actual])
  const ranges = [...(good > 0 ? [[0, good - 1]] : []), ...(goodAfter ? [goodAfter] : [])]
  const told = ranges.map(([first, last]) => `${first} … ${last}`).join(', ')
  rows.push(['good', told === '' ? 'nothing that could be told apart' : told])
  return rows
}
