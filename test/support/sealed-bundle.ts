import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  createVerifierKey,
  formatHead,
  formatNote,
  formatVerifierKey,
  type VerifierKey,
} from '../../src/core/checkpoint.js'
import { countTileLevels, formatTilePath, joinEntries, listTiles } from '../../src/core/log-tiles.js'
import { hashLeaf } from '../../src/core/merkle.js'
import { createTileEdge } from '../../src/core/tile-edge.js'

export const ORIGIN = 'authsec/0123456789abcdef'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

/** A key of a log. */
export interface LogKey {
  key: VerifierKey
  text: string
  privateKey: KeyObject
}

export function createLogKey(origin: string = ORIGIN): LogKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
  const key = createVerifierKey(origin, raw, sha256)
  return { key, text: formatVerifierKey(key), privateKey }
}

/** A record as the server writes it. */
export function createLogRecord(index: number, fields: Record<string, unknown> = {}): Buffer {
  const occurred_at = new Date(Date.UTC(2026, 7, 1, 9) + index * 1_000).toISOString()
  return Buffer.from(
    JSON.stringify({ id: `event-${index}`, occurred_at, type: 'token.exchanged', v: 1, ...fields }),
  )
}

/** The head over some records, signed. */
export function signRecords(
  records: readonly Uint8Array[],
  keys: readonly LogKey[],
  origin: string = ORIGIN,
): string {
  const edge = createTileEdge(sha256)
  for (const record of records) edge.append(hashLeaf(record, sha256))
  return signHead({ origin, size: records.length, root: edge.root() }, keys)
}

/** A head whatever it says, signed. */
export function signHead(head: Parameters<typeof formatHead>[0], keys: readonly LogKey[]): string {
  const text = formatHead(head)
  const signatures = keys.map(({ key, privateKey }) => ({
    name: key.name,
    keyId: key.keyId,
    signature: sign(null, Buffer.from(text), privateKey),
  }))
  return formatNote(text, signatures)
}

/** Every file of a bundle by its path, as an honest server would write them. */
export function createBundleFiles(
  records: readonly Uint8Array[],
  keys: readonly LogKey[],
  handovers: readonly string[] = [],
): Map<string, Uint8Array> {
  const edge = createTileEdge(sha256)
  for (const record of records) edge.append(hashLeaf(record, sha256))
  const hashes = new Map(edge.takeGrown().map((tile) => [`${tile.level}/${tile.index}`, tile.hashes]))
  const files = new Map<string, Uint8Array>([
    ['checkpoint', Buffer.from(signRecords(records, keys))],
    ['keys', Buffer.from(JSON.stringify({ verifier_key: keys[0]?.text, handovers }))],
  ])
  for (const tile of listTiles('entries', records.length)) {
    const part = records.slice(tile.index * 256, tile.index * 256 + tile.width)
    files.set(formatTilePath(tile), joinEntries(part))
  }
  for (let level = 0; level < countTileLevels(records.length); level++) {
    for (const tile of listTiles(level, records.length)) {
      files.set(formatTilePath(tile), Buffer.concat(hashes.get(`${level}/${tile.index}`) ?? []))
    }
  }
  return files
}

export async function writeFiles(directory: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), bytes)
  }
}
