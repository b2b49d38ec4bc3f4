import { decodeBase64, encodeBase64 } from './base64.js'
import { type Checkpoint, parseCheckpoint } from './checkpoint.js'
import { AuthsecError } from './errors.js'
import { HASH_BYTES, hashLeaf, type Sha256, verifyInclusion } from './merkle.js'
import { quote } from './printable.js'

/** That one record is in a log: it can be checked with nothing but the key of the log, C2SP tlog-proof. */
export interface AuditProof {
  index: number
  /** The bytes of the record, verbatim. */
  record: Uint8Array
  /** The hashes beside the way from the record to the root. */
  hashes: readonly Uint8Array[]
  /** The checkpoint of the log that contains it. */
  note: string
}

const FORMAT = 'c2sp.org/tlog-proof@v1'
// A log of 2^53 records has proofs of 53 hashes.
const MAX_HASHES = 64

/** Writes a proof; the record stands in its `extra` line. */
export function formatAuditProof({ index, record, hashes, note }: AuditProof): string {
  const lines = [FORMAT, `extra ${encodeBase64(record)}`, `index ${index}`, ...hashes.map(encodeBase64)]
  return `${lines.join('\n')}\n\n${note}`
}

/** Reads a proof without believing it; throws `checkpoint_malformed`. */
export function parseAuditProof(text: string): AuditProof & { checkpoint: Checkpoint } {
  const gap = text.indexOf('\n\n')
  const [format, extra = '', place = '', ...lines] = text.slice(0, Math.max(0, gap)).split('\n')
  const record = decodeBase64(/^extra (.+)$/.exec(extra)?.[1] ?? '*')
  const index = /^index (?:0|[1-9]\d{0,15})$/.test(place) ? Number(place.slice(6)) : Number.NaN
  if (
    format !== FORMAT ||
    record === undefined ||
    !Number.isSafeInteger(index) ||
    lines.length > MAX_HASHES
  ) {
    throw new AuthsecError(
      'checkpoint_malformed',
      `${quote(text.slice(0, 60))} is not the proof of a record`,
      {
        hint: 'authsec audit verify --event prints one; a bundle is a directory, as authsec audit export --format bundle writes it.',
      },
    )
  }
  const hashes = lines.map(readHash)
  const note = text.slice(gap + 2)
  return { index, record, hashes, note, checkpoint: parseCheckpoint(note) }
}

/** Whether a proof leads from its record to the root of its checkpoint; who signed that is another question. */
export function holdsAuditProof(
  { index, record, hashes, checkpoint }: AuditProof & { checkpoint: Checkpoint },
  sha256: Sha256,
): boolean {
  return verifyInclusion({ index, hash: hashLeaf(record, sha256) }, checkpoint, hashes, sha256)
}

function readHash(line: string): Uint8Array {
  const hash = decodeBase64(line)
  if (hash?.length === HASH_BYTES) return hash
  throw new AuthsecError('checkpoint_malformed', `${quote(line)} is not a hash`)
}
