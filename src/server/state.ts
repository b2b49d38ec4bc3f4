import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKek, openKekFile } from '../authority/kek.js'
import { AuthsecError } from '../core/errors.js'
import { openStore } from '../store/open.js'
import type { Store } from '../store/store.js'

/** The place of a state that is gone with the process. */
const EPHEMERAL = ':memory:'

/** Everything a server keeps, opened and locked. */
export interface OpenState {
  store: Store
  /** The key-encryption key. */
  kek: Uint8Array
  /** Closes the store and lets another server have the state. */
  close(): Promise<void>
}

/**
 * Opens the state in a directory, or creates it there: the database, which is the lock too, the key-encryption
 * key unless one is given, and a file that tells others which process has it. Throws `state_locked`, `state_newer` and
 * `state_unreadable`.
 */
export async function openState(place: string, kek?: Uint8Array): Promise<OpenState> {
  if (place === EPHEMERAL) {
    const store = await openStore(EPHEMERAL)
    return { store, kek: kek ?? createKek(), close: () => store.close() }
  }
  createDirectory(place)
  const pidFile = join(place, 'server.pid')
  const store = await openStore(join(place, 'authsec.db')).catch((error) => {
    throw AuthsecError.is(error, 'state_locked') ? lockedBy(place, pidFile, error) : error
  })
  try {
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
    const opened = kek ?? openKekFile(join(place, 'kek'), (await store.keys.list()).length === 0)
    return { store, kek: opened, close: () => closeState(store, pidFile) }
  } catch (error) {
    await closeState(store, pidFile)
    throw error
  }
}

async function closeState(store: Store, pidFile: string): Promise<void> {
  rmSync(pidFile, { force: true })
  await store.close()
}

function createDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new AuthsecError('state_unreadable', `the state directory ${path} cannot be created`, {
      hint: 'Name another one with --state.',
      cause,
    })
  }
}

function lockedBy(place: string, pidFile: string, cause: unknown): AuthsecError {
  const pid = readPid(pidFile)
  const holder = pid === undefined ? 'another process' : `the server with pid ${pid}`
  return new AuthsecError('state_locked', `${place} is in use by ${holder}`, {
    hint: 'Stop that server, or start with another --state directory or --ephemeral.',
    cause,
  })
}

function readPid(pidFile: string): string | undefined {
  try {
    return /^\d+/.exec(readFileSync(pidFile, 'utf8'))?.[0]
  } catch {
    return undefined
  }
}
