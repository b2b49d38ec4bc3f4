import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createKek, moveKekFile, openKekFile, writeKekFile } from '../authority/kek.js'
import { findKekCheck, fingerprintKek } from '../authority/kek-check.js'
import { type Rewrapped, rewrapStore } from '../authority/rewrap.js'
import { AuthsecError } from '../core/errors.js'
import { explained } from '../store/sqlite-failures.js'
import type { Store } from '../store/store.js'

const KEK_FILE = 'kek'
const NEXT_KEK_FILE = 'kek.next'

/**
 * The key-encryption key that a state keeps in its own directory, made where nothing is sealed yet. A change of it
 * that a crash has cut short is finished or undone first, as far as the database had come. Throws `state_unreadable`.
 */
export async function openOwnKek(place: string, store: Store): Promise<Uint8Array> {
  const [path, next] = [join(place, KEK_FILE), join(place, NEXT_KEK_FILE)]
  const check = await findKekCheck(store)
  if (existsSync(next)) {
    const isInUse = fingerprintKek(openKekFile(next, false)) === check?.fingerprint
    if (isInUse) moveKekFile(next, path)
    else rmSync(next)
  }
  const mayCreate = check === undefined && (await store.keys.list()).length === 0
  return explained(() => openKekFile(path, mayCreate))
}

/** The key-encryption key that is there before a state is; undefined where none is. Throws `state_unreadable`. */
export function findOwnKek(place: string): Uint8Array | undefined {
  const path = join(place, KEK_FILE)
  return existsSync(path) ? openKekFile(path, false) : undefined
}

/**
 * Seals a state with a new key-encryption key of its own. At every moment the key that the database is sealed with
 * lies in the directory: the new one is on the disk before the database changes, and takes its place after.
 */
export async function rewrapOwnKek(place: string, store: Store, kek: Uint8Array): Promise<Rewrapped> {
  const next = join(place, NEXT_KEK_FILE)
  const fresh = createKek()
  explained(() => writeKekFile(next, fresh))
  const rewrapped = await rewrapStore(store, kek, fresh).catch((error) => {
    // Only what has certainly not been committed is undone; otherwise the next start decides.
    if (!AuthsecError.is(error, 'temporarily_unavailable')) rmSync(next)
    throw error
  })
  moveKekFile(next, join(place, KEK_FILE))
  return rewrapped
}
