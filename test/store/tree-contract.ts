import { describe, expect, test } from 'vitest'
import type { GetOpened } from './contract.js'

const head = (size: number, keepsLast = false) => ({ size, note: `note ${size}`, signedAt: size, keepsLast })
const tile = (level: number, index: number, ...bytes: number[]) => ({
  level,
  index,
  hashes: Uint8Array.from(bytes),
})

/** The hashes above the log and its signed heads: one that signs, however many try. */
export function describeTree(getOpened: GetOpened): void {
  describe('the tree of the audit log', () => {
    test('has no head and no tile at first', async () => {
      const { auditTree } = getOpened().store
      expect(await auditTree.head()).toBeUndefined()
      expect(await auditTree.findTile(0, 0)).toBeUndefined()
      expect(await auditTree.listHandovers()).toEqual([])
    })

    test('goes on from the head that it had, with the tiles as they have grown', async () => {
      const { store } = getOpened()
      expect(await store.write((trx) => trx.auditTree.advance(0, head(2), [tile(0, 0, 1, 2)]))).toBe(true)
      const tiles = [tile(0, 0, 1, 2, 3), tile(1, 4_000_000_000, 9)]
      expect(await store.write((trx) => trx.auditTree.advance(2, head(3), tiles))).toBe(true)
      expect(await store.auditTree.head()).toEqual({ size: 3, note: 'note 3', signedAt: 3 })
      expect(await store.auditTree.findTile(0, 0)).toEqual(Uint8Array.of(1, 2, 3))
      expect(await store.auditTree.findTile(1, 4_000_000_000)).toEqual(Uint8Array.of(9))
      expect(await store.auditTree.listHandovers()).toEqual([])
    })

    test('does nothing for whoever goes on from another head', async () => {
      const { store } = getOpened()
      await store.write((trx) => trx.auditTree.advance(0, head(2), [tile(0, 0, 1)]))
      for (const from of [0, 1, 3]) {
        expect(await store.write((trx) => trx.auditTree.advance(from, head(5), [tile(0, 0, 9)]))).toBe(false)
      }
      expect(await store.auditTree.head()).toMatchObject({ size: 2 })
      expect(await store.auditTree.findTile(0, 0)).toEqual(Uint8Array.of(1))
    })

    test('lets one of many sign', async () => {
      const { store } = getOpened()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, number) =>
          store.write((trx) => trx.auditTree.advance(0, head(number + 1), [])),
        ),
      )
      expect(outcomes.filter(Boolean)).toHaveLength(1)
    })

    test('keeps the last head that others signed', async () => {
      const { store } = getOpened()
      for (const [from, to, keepsLast] of [
        [0, 1, false],
        [1, 2, true],
        [2, 3, false],
        [3, 4, true],
      ] as const) {
        await store.write((trx) => trx.auditTree.advance(from, head(to, keepsLast), []))
      }
      expect((await store.auditTree.listHandovers()).map(({ size }) => size)).toEqual([1, 3])
      expect(await store.auditTree.head()).toMatchObject({ size: 4 })
    })
  })
}
