import { openAuthority } from '../authority/authority.js'
import { readSetting } from '../authority/state-settings.js'
import { reindexAudit } from '../store/audit-terms.js'
import { openState, type StatePlace } from './state.js'

/** What has been made anew. */
export interface Reindexed {
  /** How many records there are to search in. */
  records: number
  /** How many are signed, and stand under the tiles of hashes. */
  signed: number
}

/**
 * Makes whatever was derived from the records of the audit log anew: the columns and indexes of the search, and the
 * tiles of hashes. Throws `not_found` for an empty state, `state_unreadable` where the records are not what was
 * signed, and what `openState` throws.
 */
export async function reindex(place: StatePlace, kek?: Uint8Array): Promise<Reindexed> {
  const { store, kek: opened, close } = await openState(place, kek, 'refuse')
  try {
    const issuer = await readSetting(store, 'issuer')
    const records = await reindexAudit(store)
    const authority = await openAuthority({
      store,
      kek: opened,
      issuer,
      clock: Date.now,
      isBrief: true,
    })
    try {
      return { records, signed: await authority.sealing.rebuildTiles() }
    } finally {
      await authority.close()
    }
  } finally {
    await close()
  }
}
