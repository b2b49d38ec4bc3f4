import { formatTime } from '../core/time.js'
import type { Delegation, Store, Transaction } from '../store/store.js'
import type { AddEvent, AuditLog } from './audit/log.js'

/** Sees to it that the log tells of the end of every delegation, once. */
export interface DelegationEnds {
  /**
   * Records the ends that have come, those during a time without a server too, and says when the next one comes, in
   * milliseconds since the epoch; undefined where none does.
   */
  upkeep(): Promise<number | undefined>
}

export interface DelegationEndsOptions {
  store: Store
  audit: Pick<AuditLog, 'record'>
  clock: () => number
}

/** So many in one transaction, behind which others wait. */
const AT_ONCE = 100

export function createDelegationEnds({ store, audit, clock }: DelegationEndsOptions): DelegationEnds {
  return {
    async upkeep() {
      for (;;) {
        const ended = await store.delegations.listEnded(clock(), AT_ONCE)
        if (ended.length === 0) return store.delegations.findNextEnd()
        await audit.record(async (transaction, add) => {
          for (const delegation of ended) await recordEnd(delegation, transaction, add)
        })
      }
    },
  }
}

/**
 * Records that a delegation has come to its end, in the transaction in which that is found out, unless somebody has
 * done so. `occurred_at` is when it was found out, because events are told in the order in which they are recorded.
 */
export async function recordEnd(
  delegation: Delegation,
  { delegations }: Transaction,
  add: AddEvent,
): Promise<void> {
  if (!(await delegations.noteEnd(delegation))) return
  add({
    type: 'delegation.expired',
    subject: { type: 'user', id: delegation.userId },
    client: delegation.clientId,
    delegation: delegation.id,
    jti: delegation.jti,
    policy: delegation.policyId,
    aud: [...delegation.audience],
    permissions: { granted: [...delegation.permissions] },
    details: { expired_at: formatTime(delegation.expiresAt) },
  })
}
