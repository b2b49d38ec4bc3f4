import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { decodeBase64url, encodeBase64url } from '../core/base64url.js'
import { AuthsecError } from '../core/errors.js'
import { isOpenToOthers } from '../core/file-mode.js'
import { quote } from '../core/printable.js'

const KEK_BYTES = 32
/** With room for the line breaks of an editor. */
const MAX_KEK_FILE = 1_024

/** Makes a key-encryption key that lives as long as the process. */
export function createKek(): Uint8Array {
  return randomBytes(KEK_BYTES)
}

/**
 * Reads the key-encryption key of a state, or creates it where `mayCreate` says that nothing is sealed yet.
 * Throws `state_unreadable` when it is missing, damaged or readable by others: never makes a second one.
 */
export function openKekFile(path: string, mayCreate: boolean): Uint8Array {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, 'cannot be read', error)
    if (!mayCreate) throw unreadable(path, 'is missing', error)
    const kek = createKek()
    writeKekFile(path, kek)
    return kek
  }
  try {
    const stats = fstatSync(file)
    if (isOpenToOthers(stats, process.platform)) {
      throw openToOthers(`the key-encryption key ${path}`, path, stats.mode, '600')
    }
    const kek = parseKek(readOwnText(file, path))
    if (kek === undefined) throw unreadable(path, 'does not hold 32 bytes in base64')
    return kek
  } finally {
    closeSync(file)
  }
}

/**
 * Reads a key-encryption key that somebody keeps for a server, in either alphabet of base64. Throws `usage` for a
 * file that cannot be read, is open to others or holds no key; the message never holds what it holds.
 */
export function readKekFile(path: string): Uint8Array {
  let file: number | undefined
  let text: string
  try {
    file = openSync(path, 'r')
    if (isOpenToOthers(fstatSync(file), process.platform)) {
      throw new AuthsecError('usage', `the key ${quote(path)} is open to others`, {
        hint: `Keep it to yourself: chmod 600 ${path}`,
      })
    }
    text = readText(file)
  } catch (cause) {
    if (AuthsecError.is(cause)) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new AuthsecError('usage', `the key ${quote(path)} cannot be read (${code})`, { cause })
  } finally {
    if (file !== undefined) closeSync(file)
  }
  const kek = parseKek(text)
  if (kek !== undefined) return kek
  throw new AuthsecError('usage', `the key ${quote(path)} is not 32 bytes in base64`, {
    hint: 'Make one with: openssl rand -base64 32',
  })
}

/** Reads a key-encryption key, in either alphabet of base64; undefined for what is none. */
export function parseKek(text: string): Uint8Array | undefined {
  return decodeKek(text.trim().replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
}

function readOwnText(file: number, path: string): string {
  try {
    return readText(file)
  } catch (cause) {
    throw unreadable(path, 'cannot be read', cause)
  }
}

/** What a file holds; nothing where it is too long for a key. */
function readText(file: number): string {
  const bytes = Buffer.alloc(MAX_KEK_FILE)
  let length = 0
  for (let read = -1; read !== 0; length += read)
    read = readSync(file, bytes, length, MAX_KEK_FILE - length, null)
  return length < MAX_KEK_FILE ? bytes.toString('utf8', 0, length) : ''
}

function decodeKek(text: string): Uint8Array | undefined {
  try {
    const kek = decodeBase64url(text)
    return kek.length === KEK_BYTES ? kek : undefined
  } catch {
    return undefined
  }
}

/**
 * Writes a key-encryption key for its owner alone, whole and durable before anything is sealed with it: beside its
 * place, flushed, then moved there. The caller holds the lock of the state, so nobody else is at it.
 */
export function writeKekFile(path: string, kek: Uint8Array): void {
  const draft = `${path}.new`
  rmSync(draft, { force: true })
  const file = openSync(draft, 'wx', 0o600)
  try {
    writeSync(file, `${encodeBase64url(kek)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  moveKekFile(draft, path)
}

/** Lets a file take the place of a key-encryption key, in one step that lasts. */
export function moveKekFile(from: string, to: string): void {
  renameSync(from, to)
  if (process.platform === 'win32') return
  const folder = openSync(dirname(to), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** What is told of a file or a directory whose mode lets others in. */
export function openToOthers(what: string, path: string, mode: number, right: string): AuthsecError {
  const is = (mode & 0o777).toString(8)
  return new AuthsecError('state_unreadable', `${what} is open to others (mode ${is})`, {
    hint: `Keep it to yourself: chmod ${right} ${path}`,
  })
}

function unreadable(path: string, why: string, cause?: unknown): AuthsecError {
  return new AuthsecError('state_unreadable', `the key-encryption key ${path} ${why}`, {
    hint: 'It opens the private keys of this state: put the original file back, or give the key that you keep with --kek-file or AUTHSEC_KEK.',
    cause,
  })
}
