import { randomUUID } from 'node:crypto'
import type { AuditDraft } from '../../core/audit-record.js'
import { planEmergency } from '../../core/keyset.js'
import type { Transaction } from '../../store/store.js'
import { findActive, KEY_PLACES, type KeyPurpose } from '../key-sets.js'
import {
  carryOut,
  contended,
  type KeyStep,
  type KeyStepOptions,
  makeStep,
  type Planner,
  readState,
} from '../key-steps.js'
import { assertNoServer } from '../replica.js'
import { makeAllowed, SERVER_ITSELF } from './record-making.js'

/** The head of the log that ends, as far as it is known to have been signed. */
export interface FormerLog {
  /** `authsec/<random log id>`. */
  origin: string
  /** How many of its records were signed. */
  size: number
  /** The hash over them, in base64; empty where none were signed. */
  root: string
}

/** A name for a log: random, and never a URL. */
export function createLogId(): string {
  return `authsec/${randomUUID().replaceAll('-', '')}`
}

/** What signs tokens that a server would take for live ones again. */
const REVIVING: readonly KeyPurpose[] = ['call', 'session']

/**
 * Starts a new log in the place of one that has been rolled back, whose records go with it, and takes the keys of call
 * tokens and sessions out of use: what was revoked after the copy was made would live again. Says what the new log is
 * called. Throws `conflict` where a server runs on the store, besides the run that does this.
 */
export async function startNewLog(
  options: KeyStepOptions & { tenantId: string; bootId: string },
  former: FormerLog,
): Promise<string> {
  const { revision, steps } = await planRetreat(options)
  const drafts: AuditDraft[] = [
    { type: 'state.restored', details: { cause: 'backup', old: { ...former } } },
    ...steps.map(describeRetreat),
  ]
  return options.store.write(async (transaction) => {
    await assertNoServer(transaction, options.store, options.bootId)
    if (!(await transaction.keys.advance(revision))) throw contended()
    for (const step of steps) await carryOut(step, transaction)
    await transaction.audit.prune(Number.MAX_SAFE_INTEGER)
    await transaction.auditTree.clear()
    return beginLog(transaction, options, drafts)
  })
}

/** Begins another log in a transaction in which there is no record, with these events; says what it is called. */
export async function beginLog(
  { settings, audit }: Transaction,
  { tenantId, bootId, clock }: { tenantId: string; bootId: string; clock: () => number },
  drafts: readonly AuditDraft[],
): Promise<string> {
  const logId = createLogId()
  const setting = { name: 'log_id', value: logId }
  await ((await settings.find('log_id')) === undefined ? settings.insert(setting) : settings.replace(setting))
  const place = { logId, tenantId, bootId }
  for (const draft of drafts) audit.append(makeAllowed(place, draft, SERVER_ITSELF, clock()))
  return logId
}

async function planRetreat(options: KeyStepOptions): Promise<{ revision: number; steps: KeyStep[] }> {
  const state = await readState(options)
  const places = KEY_PLACES.filter(({ purpose }) => REVIVING.includes(purpose))
  const steps = await Promise.all(
    places.map((place) => {
      const { kid } = findActive(state.keys, place)
      const planner: Planner = (keys, _now, rules) => planEmergency(keys, kid, 'revoked', rules)
      return makeStep(place, state, planner, options)
    }),
  )
  return { revision: state.revision, steps }
}

function describeRetreat({ place, changed }: KeyStep): AuditDraft {
  const kid = changed.find(({ state }) => state === 'revoked')?.kid
  const changes = changed.map((key) => ({ kid: key.kid, state: key.state }))
  return { type: 'key.revoked', kid, details: { ...place, changes } }
}
