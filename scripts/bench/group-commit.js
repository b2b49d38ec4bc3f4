// What it is worth that requests which wait at the same time share a commit: the same writes by 32 writers, together and
// with a commit for each.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { importSource } from './bundled.js'
import { compareSeries } from './ratio.js'

const WRITERS = 32
const ROUNDS = 9
const ROUND_MS = 700

export const groupCommit = {
  name: 'group-commit',
  title: 'durable writes by 32 at a time, throughput relative to a commit for each',

  async measure() {
    const place = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    const { openStore } = await importSource('src/store/open.ts')
    const { startPostgresCluster } = await importSource('test/support/postgres-cluster.ts')
    const cluster = await startPostgresCluster()
    try {
      const ratios = []
      for (const [what, location] of [
        ['SQLite', path.join(place, 'authsec.db')],
        ['PostgreSQL', cluster.url],
      ]) {
        const store = await openStore(location)
        ratios.push({ what, ratio: await compare(store), aim: { atLeast: 1 } })
        await store.close()
      }
      return ratios
    } finally {
      await cluster.remove()
      rmSync(place, { recursive: true })
    }
  },
}

async function compare(store) {
  let name = 0
  const add = () => store.write(({ settings }) => settings.insert({ name: `n${name++}`, value: 'here' }))
  let last = Promise.resolve()
  // Nobody is in the queue when the next one comes: the commit is his alone.
  const addAlone = () => {
    last = last.then(add)
    return last
  }
  const [together, apart] = [[], []]
  for (let round = -1; round < ROUNDS; round++) {
    const [one, other] = [await measureRate(add), await measureRate(addAlone)]
    if (round < 0) continue
    together.push(one)
    apart.push(other)
  }
  return compareSeries(together, apart)
}

async function measureRate(write) {
  const start = performance.now()
  let count = 0
  const writers = Array.from({ length: WRITERS }, async () => {
    while (performance.now() - start < ROUND_MS) {
      await write()
      count++
    }
  })
  await Promise.all(writers)
  return count / (performance.now() - start)
}
