import { expect, test } from 'vitest'
import { doAfterEach, doDuties } from './after-each.js'

const done: string[] = []
let failing: readonly string[] = []

for (const name of ['first', 'second', 'third']) {
  doAfterEach(() => {
    done.push(name)
    if (failing.includes(name)) throw new Error(`the ${name} fails`)
  })
}

test.each([
  { failing: ['first'], says: 'the first fails' },
  { failing: ['first', 'third'], says: 'Error: the first fails; Error: the third fails' },
])('where $failing of the duties fail, all are done and one failure tells of it', async (row) => {
  done.length = 0
  failing = row.failing
  await expect(doDuties().finally(() => (failing = []))).rejects.toThrow(row.says)
  expect(done).toEqual(['first', 'second', 'third'])
})
