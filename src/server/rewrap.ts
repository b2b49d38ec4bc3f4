import { fingerprintKek } from '../authority/kek-check.js'
import { type Rewrapped, rewrapStore } from '../authority/rewrap.js'
import { AuthsecError } from '../core/errors.js'
import { openState, type StatePlace } from './state.js'
import { rewrapOwnKek } from './state-kek.js'

/** The key-encryption key so far and the one from now on; undefined is the one that a directory keeps itself. */
export interface KekPair {
  from?: Uint8Array | undefined
  to?: Uint8Array | undefined
}

/**
 * Changes the key-encryption key of a state on which no server runs; after a crash at any moment it is the old or the
 * new one. Without one to change to, a directory gets a new one of its own. The file of a directory then holds nothing
 * any more that the former one opens; `temporarily_unavailable` where only that fails. Throws `not_found` where there is
 * no state, `state_locked` where a server has the directory, `state_unreadable`, `conflict`, and what `openState` throws.
 */
export async function rewrap(
  place: StatePlace,
  { from, to }: KekPair = {},
): Promise<Rewrapped & { former: string }> {
  const { store, name, kek, close } = await openState(place, from, 'refuse')
  try {
    const rewrapped = to ? await rewrapStore(store, kek, to) : await rewrapOwnKek(name, store, kek)
    await store.purge().catch((cause) => {
      throw new AuthsecError(
        'temporarily_unavailable',
        `the state is sealed with the key ${rewrapped.fingerprint} now, but its file still holds what the former one opens`,
        { hint: 'Make room on its disk for another copy of it, then change the key once more.', cause },
      )
    })
    return { ...rewrapped, former: fingerprintKek(kek) }
  } finally {
    await close()
  }
}
