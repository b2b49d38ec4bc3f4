import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { AuthsecError } from '../core/errors.js'

const KEK_BYTES = 32

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
    return createKekFile(path)
  }
  try {
    const { mode } = fstatSync(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw unreadable(path, `is open to others (mode ${(mode & 0o777).toString(8)}): chmod 600 it`)
    }
    const kek = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
    if (kek.length !== KEK_BYTES) throw unreadable(path, 'does not hold 32 bytes of base64url')
    return kek
  } finally {
    closeSync(file)
  }
}

// Durable before anything is sealed with it: file and folder are flushed.
function createKekFile(path: string): Uint8Array {
  const kek = createKek()
  const file = openSync(path, 'wx', 0o600)
  writeSync(file, `${Buffer.from(kek).toString('base64url')}\n`)
  fsyncSync(file)
  closeSync(file)
  if (process.platform !== 'win32') {
    const folder = openSync(dirname(path), 'r')
    fsyncSync(folder)
    closeSync(folder)
  }
  return kek
}

function unreadable(path: string, why: string, cause?: unknown): AuthsecError {
  return new AuthsecError('state_unreadable', `the key-encryption key ${path} ${why}`, {
    hint: 'It was created with this state and opens its private keys: put the original file back.',
    cause,
  })
}
