// How long a command takes that has almost nothing to do: what a developer feels at every call of it.

import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findCommand } from './peers.js'
import { compareSeries } from './ratio.js'

const COMMAND = path.join(import.meta.dirname, '../../bin/authsec.cjs')
const ROUNDS = 40
const WARM_UP_ROUNDS = 3
const ISSUER = 'http://127.0.0.1:7468'
const AUDIENCE = 'https://billing.example'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const SIGNED = [
  encode({ alg: 'ES256', typ: 'JWT' }),
  encode({ iss: ISSUER, sub: 'bench', aud: AUDIENCE, exp: 4_000_000_000 }),
].join('.')
const SIGNATURE = sign('sha256', Buffer.from(SIGNED), { key: privateKey, dsaEncoding: 'ieee-p1363' })
const TOKEN = `${SIGNED}.${SIGNATURE.toString('base64url')}`

const BARE = { args: ['-e', '0'], expected: /^$/ }
const KEY_FILE = 'key.jwk'
const COMMANDS = [
  { what: 'authsec --version', atMost: 1.3, args: [COMMAND, '--version'], expected: /^\d+\.\d+\.\d+/ },
  {
    what: 'authsec token decode',
    atMost: 1.3,
    args: [COMMAND, 'token', 'decode'],
    input: TOKEN,
    expected: /^NOT VERIFIED/,
  },
  {
    what: 'authsec token verify, offline',
    atMost: 1.6,
    args: [COMMAND, 'token', 'verify', '-', '--key', KEY_FILE, '--issuer', ISSUER, '--audience', AUDIENCE],
    input: TOKEN,
    expected: /^VERIFIED/,
  },
]
/** What else there is to read a token with: on top of fast-jwt, and of jsonwebtoken. */
const PEERS = [
  { what: 'jwt-cli 2', command: 'jwt', input: TOKEN, expected: /Payload/ },
  { what: 'jwt-decode-cli 1', command: 'jwt-decode', args: [TOKEN], expected: /payload/ },
]

export const startUp = {
  name: 'start-up',
  title: 'time to start, relative to node -e 0',

  async measure() {
    const directory = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    const env = { PATH: process.env.PATH, HOME: directory, AUTHSEC_CONFIG_DIR: directory }
    writeFileSync(path.join(directory, KEY_FILE), JSON.stringify(publicKey.export({ format: 'jwk' })))
    const peers = PEERS.map(({ command, args = [], ...peer }) => ({
      ...peer,
      args: [findCommand(command), ...args],
    }))
    try {
      const commands = [...COMMANDS, ...peers]
      const [bare, ...series] = measureInTurn([BARE, ...commands], { env, cwd: directory })
      return commands.map(({ what, atMost }, index) => ({
        what,
        ratio: compareSeries(series[index], bare),
        aim: atMost === undefined ? undefined : { atMost },
      }))
    } finally {
      rmSync(directory, { recursive: true })
    }
  },
}

function measureInTurn(commands, place) {
  const series = commands.map(() => [])
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const [index, command] of commands.entries()) {
      const elapsed = measureRun(command, place)
      if (round >= 0) series[index].push(elapsed)
    }
  }
  return series
}

function measureRun({ args, input = '', expected }, place) {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { ...place, input, encoding: 'utf8' })
  const elapsed = performance.now() - start
  if (status !== 0 || !expected.test(stdout)) {
    throw new Error(`node ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`)
  }
  return elapsed
}
