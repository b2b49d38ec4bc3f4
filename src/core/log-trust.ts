import {
  type Checkpoint,
  isSignedBy,
  parseVerifierKey,
  type VerifierKey,
  type VerifySignature,
} from './checkpoint.js'
import { AuthsecError } from './errors.js'
import type { LogNotes } from './log-notes.js'
import type { LogWalk } from './log-walk.js'
import { equalHashes, type Sha256 } from './merkle.js'

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

/** How the signature under the head stands to the key that is known. */
export type Signature = 'good' | 'handed over' | 'unknown key' | 'bad' | 'not checked'

interface Trust {
  /** The key to believe, where it is from, and whether that is anybody but the log itself. */
  key: KnownKey | undefined
  sha256: Sha256
  verify: VerifySignature
}

/** Follows the keys: what a trusted one has signed may name the next one, which has signed it too. */
export function followKeys(
  origin: string,
  handovers: readonly Checkpoint[],
  walk: LogWalk,
  notes: LogNotes,
  { key, sha256, verify }: Trust,
): VerifierKey[] {
  const trusted = key === undefined ? [] : [key.key]
  for (const handover of [...handovers].sort((one, other) => one.size - other.size)) {
    const root = walk.roots.get(handover.size)
    if (handover.origin !== origin || root === undefined || !equalHashes(root, handover.root)) continue
    if (!trusted.some((known) => hasSigned(known, handover, verify) === true)) continue
    for (const { text } of notes.keys.filter(({ index }) => index < handover.size)) {
      const next = readKey(text, sha256)
      if (next?.name === origin && hasSigned(next, handover, verify) === true) trusted.push(next)
    }
  }
  return trusted
}

/** How the signature under a head stands to the key that is known, and to those that it has led to. */
export function judgeSignature(
  checkpoint: Checkpoint,
  trusted: readonly VerifierKey[],
  verify: VerifySignature,
): Signature {
  const [known, ...later] = trusted.map((key) => hasSigned(key, checkpoint, verify))
  if (trusted.length === 0) return 'not checked'
  if (known === 'forged' || later.includes('forged')) return 'bad'
  if (known === true) return 'good'
  return later.includes(true) ? 'handed over' : 'unknown key'
}

/** Heads that somebody has kept, by what they are worth. */
export interface WeighedAnchors {
  held: Anchor[]
  /** Those that no key has signed that is known of the log. */
  unsigned: Anchor[]
  /** Those whose signature is not good: they are not as they were signed. */
  forged: Anchor[]
}

/**
 * Heads count by who has signed them. Where no key is known but by what the log says of itself, whoever has kept one
 * is believed more than the log.
 */
export function weighAnchors(
  anchors: readonly Anchor[],
  trusted: readonly VerifierKey[],
  { key, verify }: Pick<Trust, 'key' | 'verify'>,
): WeighedAnchors {
  const weighed: WeighedAnchors = { held: [], unsigned: [], forged: [] }
  for (const anchor of anchors) {
    const states = trusted.map((known) => hasSigned(known, anchor.checkpoint, verify))
    const isHeld = states.includes(true) || key?.isPinned !== true
    weighed[states.includes('forged') ? 'forged' : isHeld ? 'held' : 'unsigned'].push(anchor)
  }
  return weighed
}

function hasSigned(key: VerifierKey, checkpoint: Checkpoint, verify: VerifySignature): boolean | 'forged' {
  try {
    return isSignedBy(checkpoint, key, verify)
  } catch (error) {
    if (AuthsecError.is(error, 'checkpoint_forged')) return 'forged'
    throw error
  }
}

// What a log names in place of a key is none.
function readKey(text: string, sha256: Sha256): VerifierKey | undefined {
  try {
    return parseVerifierKey(text, sha256)
  } catch (error) {
    if (AuthsecError.is(error)) return undefined
    throw error
  }
}
