import { decodeBase64, encodeBase64 } from './base64.js'
import { AuthsecError } from './errors.js'
import { encodeHex } from './hex.js'
import { HASH_BYTES, type Sha256 } from './merkle.js'
import { quote } from './printable.js'

/** The head of a log: what a checkpoint signs, C2SP tlog-checkpoint. */
export interface LogHead {
  /** Which log: `authsec/<random id>`, never a URL. */
  origin: string
  /** How many entries it has. */
  size: number
  /** The root over all of them. */
  root: Uint8Array
}

/** A signature under a note, whoever made it and in whatever algorithm. */
export interface NoteSignature {
  name: string
  /** The first four bytes of a hash of the key, in hexadecimal. */
  keyId: string
  signature: Uint8Array
}

/** A signed head, C2SP signed-note. */
export interface Checkpoint extends LogHead {
  /** What has been signed: everything up to the empty line. */
  text: string
  signatures: readonly NoteSignature[]
  /** All of it, as it came. */
  note: string
}

/** A key that checks notes. */
export interface VerifierKey {
  name: string
  keyId: string
  algorithm: NoteAlgorithm
  publicKey: Uint8Array
}

/** `ed25519` signs a note; the others are cosignatures of witnesses, with a time of their own. */
export type NoteAlgorithm = 'ed25519' | 'cosignature-ed25519' | 'cosignature-ml-dsa-44'

/** Checks a signature; the platform does the mathematics. */
export type VerifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

// The identifiers that C2SP signed-note has assigned, and how many bytes a public key has.
const ALGORITHMS: readonly { type: number; algorithm: NoteAlgorithm; keyBytes: number }[] = [
  { type: 0x01, algorithm: 'ed25519', keyBytes: 32 },
  { type: 0x04, algorithm: 'cosignature-ed25519', keyBytes: 32 },
  { type: 0x06, algorithm: 'cosignature-ml-dsa-44', keyBytes: 1312 },
]
const KEY_ID_BYTES = 4
/** Sixteen signatures have to be accepted, and one of the new kind has nearly 5 kB. */
export const MAX_NOTE_LENGTH: number = 128 * 1024
const NAME = /^[^\s+\p{Z}\p{C}]{1,256}$/u

const utf8 = new TextEncoder()

/** Whether a text can be the name of a key, as the origin of our logs is: without white space and what prints nothing. */
export function isKeyName(text: string): boolean {
  return NAME.test(text)
}

/** What a checkpoint says, in the form in which it is signed. */
export function formatHead({ origin, size, root }: LogHead): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`
}

/** Puts signatures under a text. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const bytes = new Uint8Array(KEY_ID_BYTES + signature.length)
    bytes.set(parseKeyId(keyId))
    bytes.set(signature, KEY_ID_BYTES)
    return `— ${name} ${encodeBase64(bytes)}\n`
  })
  return `${text}\n${lines.join('')}`
}

/** Reads a checkpoint without believing it; throws `checkpoint_malformed` naming what is wrong. */
export function parseCheckpoint(note: string): Checkpoint {
  if (note.length > MAX_NOTE_LENGTH) throw malformed(`is longer than ${MAX_NOTE_LENGTH / 1024} KiB`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the specification forbids.
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note) || !note.isWellFormed()) throw malformed('is not plain text')
  const gap = note.lastIndexOf('\n\n')
  if (gap === -1 || !note.endsWith('\n')) throw malformed('has no signature')
  const text = note.slice(0, gap + 1)
  const signatures = note
    .slice(gap + 2, -1)
    .split('\n')
    .map(parseSignature)
  return { ...parseHead(text), text, signatures, note }
}

/** Whether a checkpoint that cannot be read is the beginning of one, as what is written when a machine stops. */
export function isCutNote(note: string): boolean {
  return !note.endsWith('\n') || (!note.includes('\u2014') && note.split('\n').length <= 5)
}

/**
 * Whether a key has signed a checkpoint. Every signature that claims to be of the key has to hold: throws
 * `checkpoint_forged` for one that does not.
 */
export function isSignedBy(
  { text, signatures }: Checkpoint,
  key: VerifierKey,
  verify: VerifySignature,
): boolean {
  const own = signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId)
  const message = utf8.encode(text)
  for (const { signature } of own) {
    if (signature.length === 64 && verify(key.publicKey, message, signature)) continue
    throw new AuthsecError('checkpoint_forged', `the signature of ${quote(key.name, 100)} is not good`)
  }
  return own.length > 0
}

/** The key of a log as its verifiers know it; its name is the origin of the log. */
export function createVerifierKey(name: string, publicKey: Uint8Array, sha256: Sha256): VerifierKey {
  return {
    name,
    algorithm: 'ed25519',
    publicKey,
    keyId: computeKeyId(name, encodeKey(0x01, publicKey), sha256),
  }
}

/** Writes a verifier key as `name+id+key`. */
export function formatVerifierKey({ name, keyId, algorithm, publicKey }: VerifierKey): string {
  const type = ALGORITHMS.find((known) => known.algorithm === algorithm)?.type ?? 0
  return `${name}+${keyId}+${encodeBase64(encodeKey(type, publicKey))}`
}

/** Reads a verifier key; throws `checkpoint_malformed` for one whose id is not its own, or of an unknown algorithm. */
export function parseVerifierKey(text: string, sha256: Sha256): VerifierKey {
  const [, name = '', keyId = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? []
  const bytes = decodeBase64(encoded)
  if (!NAME.test(name) || bytes === undefined || bytes.length < 2) throw notKey(text, 'is not a verifier key')
  const known = ALGORITHMS.find(({ type }) => type === bytes[0])
  if (known === undefined) throw notKey(text, 'has an unknown algorithm')
  if (bytes.length !== 1 + known.keyBytes) throw notKey(text, 'has a key of the wrong length')
  if (computeKeyId(name, bytes, sha256) !== keyId) throw notKey(text, 'has the id of another key')
  return { name, keyId, algorithm: known.algorithm, publicKey: bytes.slice(1) }
}

function parseHead(text: string): LogHead {
  const [origin = '', count = '', hash = '', ...extensions] = text.slice(0, -1).split('\n')
  if (origin === '') throw malformed('names no log')
  const size = /^(?:0|[1-9]\d{0,15})$/.test(count) ? Number(count) : Number.NaN
  if (!Number.isSafeInteger(size)) throw malformed(`has ${quote(count)} in place of a size`)
  const root = decodeBase64(hash)
  if (root?.length !== HASH_BYTES) throw malformed(`has ${quote(hash)} in place of a root`)
  if (extensions.includes('')) throw malformed('has an empty line')
  return { origin, size, root }
}

function parseSignature(line: string): NoteSignature {
  const [, name = '', encoded = ''] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? []
  const bytes = decodeBase64(encoded)
  if (!NAME.test(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES) {
    throw malformed(`has ${quote(line)} in place of a signature`)
  }
  return { name, keyId: encodeHex(bytes.subarray(0, KEY_ID_BYTES)), signature: bytes.slice(KEY_ID_BYTES) }
}

function encodeKey(type: number, publicKey: Uint8Array): Uint8Array {
  return Uint8Array.from([type, ...publicKey])
}

function computeKeyId(name: string, encodedKey: Uint8Array, sha256: Sha256): string {
  return encodeHex(
    sha256(Uint8Array.from([...utf8.encode(`${name}\n`), ...encodedKey])).subarray(0, KEY_ID_BYTES),
  )
}

function parseKeyId(keyId: string): number[] {
  return (keyId.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16))
}

function malformed(clause: string): AuthsecError {
  return new AuthsecError('checkpoint_malformed', `the checkpoint ${clause}`)
}

function notKey(text: string, clause: string): AuthsecError {
  return new AuthsecError('checkpoint_malformed', `${quote(text, 100)} ${clause}`, {
    hint: 'Copy it whole: name+id+key, as authsec audit checkpoint prints it.',
  })
}
