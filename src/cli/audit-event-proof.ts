import { type AuditProof, formatAuditProof, holdsAuditProof, parseAuditProof } from '../core/audit-proof.js'
import { noSuchEvent } from '../core/audit-record.js'
import { encodeBase64 } from '../core/base64.js'
import { isSignedBy, parseCheckpoint, type VerifierKey } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { type LogSource, readNodesOf } from '../core/log-source.js'
import { createEndCheck, splitEntries, TILE_WIDTH, tileAt } from '../core/log-tiles.js'
import type { KnownKey } from '../core/log-trust.js'
import type { Evidence } from '../core/log-verdict.js'
import { proveInclusion } from '../core/merkle.js'
import type { Json } from '../core/strict-json.js'
import type { Context } from './context.js'
import { openKnownLogs } from './known-logs.js'
import { chooseKey } from './log-contact.js'
import { sha256, verifyEd25519 } from './log-crypto.js'
import { readTextFile } from './text-file.js'

// A record and the signed head, each as large as it may be, are less.
const MAX_PROOF_BYTES = 256 * 1024

/** The proof of one event, and what it is worth. */
export interface ProofOutput {
  /** Of the log, `authsec/<random log id>`. */
  origin: string
  /** The place of the record in the log, counted from 0. */
  index: number
  /** Of the log at the head that the proof leads to, in records. */
  size: number
  /** Whether the proof leads from the record to that head. */
  holds: boolean
  /** Whether the head is signed by the key that is believed. */
  signed: boolean
  /** Whether that key is known from elsewhere than the log itself. */
  pinned: boolean
  /** The record, null where it is no JSON: what it says counts only where the proof holds and is signed. */
  event: Json
  /** Those beside the way from the record to the root, in base64. */
  hashes: readonly string[]
  /** All of it as text: C2SP tlog-proof. */
  proof: string
}

interface ProofFlags {
  key?: VerifierKey | undefined
  require: Evidence
  json: boolean
}

/** Prints the proof that an event is in the log, and checks it. Throws `not_found`, and what `verifyProof` throws. */
export async function proveEvent(
  context: Context,
  eventId: string,
  {
    source,
    server,
  }: { source: LogSource; server: { fetchProof: (id: string) => Promise<string> } | undefined },
  flags: ProofFlags,
): Promise<void> {
  const text = server ? await server.fetchProof(eventId) : await buildProof(source, eventId)
  const { verifierKey } = await source.readKeys()
  await checkProof(context, text, flags, verifierKey, () => {
    if (!flags.json) for (const line of text.trimEnd().split('\n')) context.io.line(line)
  })
}

/**
 * Checks a proof that lies in a file, and says of what. Throws `audit_altered` where it does not hold or another key
 * has signed it, and `audit_incomplete` where no key is known.
 */
export async function verifyProof(context: Context, text: string, flags: ProofFlags): Promise<void> {
  await checkProof(context, text, flags, undefined, (proof) => {
    if (!flags.json) context.io.line(Buffer.from(proof.record).toString())
  })
}

/** Reads the file of a proof; throws `not_found`, `usage`, and `checkpoint_malformed` for one that is larger than any. */
export function readProofFile(path: string): Promise<string> {
  return readTextFile(path, { maxBytes: MAX_PROOF_BYTES, code: 'checkpoint_malformed' })
}

type ParsedProof = ReturnType<typeof parseAuditProof>

/** What a proof is worth. */
export interface ProofState {
  proof: ParsedProof
  key: KnownKey | undefined
  /** Whether it leads from its record to the root. */
  holds: boolean
  isSigned: boolean
}

/** Holds a proof against a key; throws `checkpoint_forged` for a signature that claims to be of the key and is not. */
export function weighProof(proof: ParsedProof, key: KnownKey | undefined): ProofState {
  const isSigned = key !== undefined && isSignedBy(proof.checkpoint, key.key, verifyEd25519)
  return { proof, key, holds: holdsAuditProof(proof, sha256), isSigned }
}

/** Throws `audit_altered` for a proof that does not hold, and for one that another key has signed. */
export function assertHolds({ proof: { checkpoint }, key, holds, isSigned }: ProofState): void {
  if (!holds) {
    throw new AuthsecError(
      'audit_altered',
      `the proof does not lead from its record to the root at ${checkpoint.size}`,
    )
  }
  if (key !== undefined && !isSigned) {
    throw new AuthsecError('audit_altered', `the proof is signed, but not by ${key.source}`)
  }
}

async function checkProof(
  context: Context,
  text: string,
  { key: given, require, json }: ProofFlags,
  told: string | undefined,
  print: (proof: AuditProof) => void,
): Promise<void> {
  const { io } = context
  const proof = parseAuditProof(text)
  const { checkpoint, index } = proof
  const key = chooseKey(given, (await openKnownLogs(context).read()).find(checkpoint.origin), told)
  const state = weighProof(proof, key)
  const { holds, isSigned } = state
  print(proof)
  if (json) {
    io.json<ProofOutput>({
      origin: checkpoint.origin,
      index,
      size: checkpoint.size,
      holds,
      signed: isSigned,
      pinned: key?.isPinned ?? false,
      event: readRecord(proof.record),
      hashes: proof.hashes.map(encodeBase64),
      proof: text,
    })
  }
  assertHolds(state)
  if (key?.isPinned !== true && require !== 'linked') {
    throw new AuthsecError(
      'audit_incomplete',
      'the proof holds, but nobody but the log vouches for its key',
      {
        hint: 'Give the key with --key, or be content with --require linked.',
      },
    )
  }
  io.note(
    `record ${index} of ${checkpoint.size} in ${checkpoint.origin}, signed by ${key?.source ?? 'an unknown key'}`,
  )
}

function readRecord(record: Uint8Array): Json {
  try {
    return JSON.parse(Buffer.from(record).toString())
  } catch {
    return null
  }
}

async function buildProof(source: LogSource, eventId: string): Promise<string> {
  const note = await source.readCheckpoint()
  if (note === undefined)
    throw new AuthsecError('audit_incomplete', 'there is no checkpoint to prove anything against')
  const { size } = parseCheckpoint(note)
  const { index, record } = await findRecord(source, size, eventId)
  const hashes = await proveInclusion(index, size, readNodesOf(source, size, sha256), sha256)
  return formatAuditProof({ index, record, hashes, note })
}

async function findRecord(
  source: LogSource,
  size: number,
  eventId: string,
): Promise<{ index: number; record: Uint8Array }> {
  const wanted = `"id":${JSON.stringify(eventId)}`
  let first: number | undefined
  const checkEnd = createEndCheck()
  for (let place = 0; place * TILE_WIDTH < size; place++) {
    const tile = tileAt('entries', place, size)
    const content = await source.readTile(tile)
    const isThere = content !== undefined || (await source.readTile({ ...tile, level: 0 })) !== undefined
    checkEnd(tile, size, isThere)
    const bytes = Buffer.from(content ?? [])
    if (first !== undefined && !bytes.includes(wanted)) continue
    for (const [at, record] of splitEntries(bytes).entries.entries()) {
      if (record.length > 0) first ??= tile.index * TILE_WIDTH + at
      if (isEvent(record, eventId)) return { index: tile.index * TILE_WIDTH + at, record }
    }
  }
  throw noSuchEvent(eventId, first ?? 0)
}

function isEvent(record: Uint8Array, eventId: string): boolean {
  try {
    return JSON.parse(Buffer.from(record).toString()).id === eventId
  } catch {
    return false
  }
}
