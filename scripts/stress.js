// Runs the stress tests (kills, storms, races). Each does so many things in a round that the ten of `npm run test:stress`
// are what is asked of it: 50 rotations by two and by eight servers at once and 50 under a verifier that caches, 100
// kills in the middle of a change of keys (and 50 on PostgreSQL) and 100 while tokens are issued, 1,000 races of a
// revocation with issuances on each engine. `--rounds N` runs more or fewer of all of them; `npm test` runs the same
// files with a few.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '10' } },
  allowPositionals: true,
})
const rounds = Number(values.rounds)
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  process.stderr.write(`stress: --rounds "${values.rounds}" is not a positive whole number\n`)
  process.exitCode = 2
} else {
  process.exitCode = runStress(rounds)
}

function runStress(rounds) {
  process.stderr.write(`stress: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}\n`)
  // Two minutes per round at most: what takes longer hangs.
  const files = positionals.length > 0 ? positionals : ['test/stress', 'test/cli/wrong-answers.test.ts']
  const args = ['run', ...files, `--testTimeout=${rounds * 120_000}`]
  const { status } = spawnSync('node_modules/.bin/vitest', args, {
    cwd: root,
    env: { ...process.env, AUTHSEC_STRESS_ROUNDS: String(rounds), ...findPostgres14() },
    stdio: 'inherit',
  })
  return status ?? 1
}

/** Where PostgreSQL 14 is, which is installed the first time; without it the tests of it are left out. */
function findPostgres14() {
  const place = path.join(root, 'test/postgres-14')
  if (!existsSync(path.join(place, 'node_modules/.package-lock.json'))) {
    process.stderr.write('stress: installing PostgreSQL 14, this one time\n')
    // Not every platform has this version, so that a lock file could not name it for all of them.
    const args = ['install', '--prefix', place, '--no-package-lock', '--no-audit', '--no-fund']
    const { status } = spawnSync('npm', args, { stdio: ['ignore', 2, 2] })
    if (status !== 0) {
      process.stderr.write('stress: PostgreSQL 14 is not to be had, and its tests are left out\n')
      return {}
    }
  }
  return { AUTHSEC_STRESS_POSTGRES_14: place }
}
