import { afterEach, beforeEach, describe } from 'vitest'
import type { Store } from '../../src/store/store.js'
import { describeAudit } from './audit-contract.js'
import { describeCommits } from './commit-contract.js'
import { describeCopies } from './copy-contract.js'
import { describeExpiry } from './expiry-contract.js'
import { describeRecords } from './record-contract.js'
import { describeReplicas } from './replica-contract.js'
import { describeRevision } from './revision-contract.js'
import { describeTree } from './tree-contract.js'
import { describeValues } from './value-contract.js'

/** A store that is new and empty, with a hand on what it is kept in. */
export interface OpenedStore {
  store: Store
  /** From now on no change can be made durable; what is there can still be read. */
  exhaust(): Promise<void>
  /** There is room again. */
  relieve(): Promise<void>
  /** Runs statements behind the store's back. */
  tamper(statements: readonly string[]): Promise<void>
  /** Closes the store and removes what it was kept in. */
  remove(): Promise<void>
}

export type OpenStore = () => Promise<OpenedStore>

/** Gives the new store of the test that runs. */
export type GetOpened = () => OpenedStore

/** What the rest of the program relies on, whatever engine keeps it. */
export function describeStore(name: string, open: OpenStore): void {
  describe(`a store in ${name}`, () => {
    let opened: OpenedStore
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.remove())

    describeCommits(() => opened)
    describeRevision(() => opened)
    describeRecords(() => opened)
    describeExpiry(() => opened)
    describeValues(() => opened)
    describeReplicas(() => opened)
    describeAudit(() => opened, open)
    describeTree(() => opened)
    describeCopies(() => opened)
  })
}
