// The audit log that records nothing, which is there to see what the real one costs: the bench puts it in the place of
// the real one when it bundles the server. The server itself has no way to do without its log.

import { createAuditLog as createRealLog } from '../../src/authority/audit/log.ts'
import { createTimeOrderedId } from '../../src/authority/time-ordered-id.ts'

/** Does everything that is changed, as durably as ever, and makes no record of it. */
export function createAuditLog(options) {
  const change = (work = async () => {}) => options.store.write((transaction) => work(transaction, () => {}))
  return {
    ...createRealLog(options),
    record: change,
    attempt: (_draft, _provenance, work) =>
      work({
        eventId: createTimeOrderedId(options.clock()),
        note() {},
        commit: change,
        async refuse(error, work) {
          await change(work)
          throw error
        },
      }),
  }
}
