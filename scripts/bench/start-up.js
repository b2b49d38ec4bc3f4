// How long a command takes that has almost nothing to do: what a developer feels at every call of it.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compareSeries } from './ratio.js'

const COMMAND = path.join(import.meta.dirname, '../../bin/authsec.cjs')
const ROUNDS = 40
const WARM_UP_ROUNDS = 3

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const TOKEN = [
  encode({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' }),
  encode({ iss: 'http://127.0.0.1:7468', sub: 'bench', aud: 'https://billing.example', exp: 2_000_000_000 }),
  'A'.repeat(86),
].join('.')

const BARE = { args: ['-e', '0'], expected: /^$/ }
const COMMANDS = [
  { what: 'authsec --version', args: [COMMAND, '--version'], expected: /^\d+\.\d+\.\d+/ },
  {
    what: 'authsec token decode',
    args: [COMMAND, 'token', 'decode'],
    input: TOKEN,
    expected: /^NOT VERIFIED/,
  },
]

export const startUp = {
  name: 'start-up',
  title: 'time to start, relative to node -e 0',

  async measure() {
    const directory = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    const env = { PATH: process.env.PATH, HOME: directory, AUTHSEC_CONFIG_DIR: directory }
    try {
      const [bare, ...ours] = measureInTurn([BARE, ...COMMANDS], env)
      return COMMANDS.map(({ what }, index) => ({
        what,
        ratio: compareSeries(ours[index], bare),
        aim: { atMost: 1.5 },
      }))
    } finally {
      rmSync(directory, { recursive: true })
    }
  },
}

function measureInTurn(commands, env) {
  const series = commands.map(() => [])
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const [index, command] of commands.entries()) {
      const elapsed = measureRun(command, env)
      if (round >= 0) series[index].push(elapsed)
    }
  }
  return series
}

function measureRun({ args, input = '', expected }, env) {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, input, encoding: 'utf8' })
  const elapsed = performance.now() - start
  if (status !== 0 || !expected.test(stdout)) {
    throw new Error(`node ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`)
  }
  return elapsed
}
