import { fingerprintKek } from '../authority/kek-check.js'
import { type Rewrapped, rewrapStore } from '../authority/rewrap.js'
import { openState, type StatePlace } from './state.js'
import { rewrapOwnKek } from './state-kek.js'

/** The key-encryption key so far, and the one from now on. */
export interface KekPair {
  from: Uint8Array
  to: Uint8Array
}

/**
 * Changes the key-encryption key of a state on which no server runs; after a crash at any moment it is the old or the
 * new one. Without keys, a directory gets a new one of its own. Throws `state_locked` where a server has the directory,
 * `state_unreadable`, `conflict`, and what `openState` throws.
 */
export async function rewrap(place: StatePlace, keks?: KekPair): Promise<Rewrapped & { former: string }> {
  const { store, name, kek, close } = await openState(place, keks?.from)
  try {
    const rewrapped = keks ? await rewrapStore(store, kek, keks.to) : await rewrapOwnKek(name, store, kek)
    return { ...rewrapped, former: fingerprintKek(kek) }
  } finally {
    await close()
  }
}
