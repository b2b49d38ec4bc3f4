// Runs the stress tests (kills, storms, soaks) for as many rounds as asked: npm run test:stress -- --rounds 100.
// The same files run in `npm test` with the few rounds they choose themselves.

import { spawnSync } from 'node:child_process'
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
  // A minute per round at most: what takes longer hangs.
  const args = ['run', 'test/stress', `--testTimeout=${Math.max(60_000, rounds * 60_000)}`, ...positionals]
  const { status } = spawnSync('node_modules/.bin/vitest', args, {
    cwd: root,
    env: { ...process.env, AUTHSEC_STRESS_ROUNDS: String(rounds) },
    stdio: 'inherit',
  })
  return status ?? 1
}
