import type { CibaMode } from '../authority/ciba.js'
import type { Mode } from '../authority/client-authentication.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { RateLimitsName } from '../server/rate-limits.js'
import { isInDatabase, type PlaceFlags } from './state-place.js'

/** What `dev serve` is asked for. */
export interface ServeFlags extends PlaceFlags {
  mode: Mode
  port: number
  host: string
  allowDevPostgres: boolean
  ephemeral: boolean
  seed?: string | undefined
  quirks: readonly string[]
  ciba?: CibaMode | undefined
  issuer?: string | undefined
  kekFile?: string | undefined
  keys?: KeySourceFlag | undefined
  allowHost: readonly string[]
  cors: readonly string[]
  rateLimits?: RateLimitsName | undefined
  trustProxy: readonly string[]
  rotateEvery?: number | undefined
  publishAhead?: number | undefined
  maxCallTtl?: number | undefined
  clockSkew?: number | undefined
  lease?: number | undefined
  drain?: number | undefined
  auditHighWater?: string | undefined
  auditRetention?: number | undefined
  personalRetention?: number | undefined
  acceptClock: boolean
  readyFile?: string | undefined
  json: boolean
}

/** Where the keys of a server come from. */
export type KeySourceFlag = 'persistent' | 'ephemeral' | { file: string }

type Rule = readonly [flag: string, isGiven: (flags: ServeFlags) => boolean, hint: string]

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/

/** What belongs to one developer's machine, with what to do instead. */
const DEV_ONLY: readonly Rule[] = [
  ['--ephemeral', ({ ephemeral }) => ephemeral, 'A team keeps its state: name it with --state.'],
  ['--seed', ({ seed }) => seed !== undefined, 'Give the seed to authsec dev init, once.'],
  ['--quirks', ({ quirks }) => quirks.length > 0, 'Nothing dangerous is served to a team: leave it out.'],
  [
    '--allow-dev-postgres',
    ({ allowDevPostgres }) => allowDevPostgres,
    'A team needs no leave: leave it out.',
  ],
  ['--keys', ({ keys = 'persistent' }) => keys !== 'persistent', 'A team keeps its keys: leave it out.'],
  ['--ciba', ({ ciba }) => ciba !== undefined, 'People answer for themselves: leave it out.'],
]

/** What only a server that is shared has. */
const SHARED_ONLY: readonly Rule[] = [
  [
    '--issuer',
    ({ issuer }) => issuer !== undefined,
    'Add --mode shared; a dev server is known by where it listens.',
  ],
  [
    '--store',
    (flags) => isInDatabase(flags) && !flags.allowDevPostgres,
    'Add --mode shared; for tests of several dev servers, --allow-dev-postgres lets them share one on this machine.',
  ],
]

/** What a server that is shared cannot do without. */
const SHARED_NEEDS: readonly Rule[] = [
  ['--issuer', ({ issuer }) => issuer !== undefined, 'Name the URL of the server: https://authsec.example.'],
  [
    '--state or --store',
    (flags) => flags.state !== undefined || isInDatabase(flags),
    'Name the directory or the database that authsec dev init has filled.',
  ],
  [
    '--audit-high-water',
    ({ auditHighWater }) => auditHighWater !== undefined,
    'Name a file of this server, outside of the state directory and where no backup of the state reaches: a restored copy is noticed by it.',
  ],
]

/** Refuses what does not go with the mode or the place of the state; throws `usage` naming what to do instead. */
export function assertFlagsFit(flags: ServeFlags): void {
  const { mode, host, lease } = flags
  const wrong = (mode === 'dev' ? SHARED_ONLY : DEV_ONLY).find(([, isGiven]) => isGiven(flags))
  if (wrong !== undefined) {
    throw new AuthsecError('usage', `${wrong[0]} does not go with --mode ${mode}`, { hint: wrong[2] })
  }
  if (mode === 'dev' && !LOOPBACK.test(host)) {
    throw new AuthsecError('usage', `${quote(host)} is not an address of this machine alone`, {
      hint: 'A dev server trusts everyone who reaches it: use 127.0.0.1, or --mode shared for a team.',
    })
  }
  const missing = mode === 'shared' && SHARED_NEEDS.find(([, isGiven]) => !isGiven(flags))
  if (missing) {
    throw new AuthsecError('usage', `--mode shared needs ${missing[0]}`, { hint: missing[2] })
  }
  if (lease !== undefined && !isInDatabase(flags)) {
    throw new AuthsecError('usage', '--lease needs a database', {
      hint: 'One server has a directory, and no other waits for it: name a database with --store, or leave it out.',
    })
  }
}

/** Collects the names of hosts, without a port; throws `usage`. */
export function collectHost(text: string, earlier: string[]): string[] {
  const url = URL.canParse(`http://${text}`) ? new URL(`http://${text}`) : undefined
  // What the parser leaves alone but for its case is a name or an address, and nothing more.
  if (url === undefined || url.hostname !== text.toLowerCase() || text.includes('*')) {
    throw new AuthsecError('usage', `${quote(text)} is not the name of a host`, {
      hint: 'Give it without scheme and port, as in --allow-host authsec.internal.',
    })
  }
  return [...earlier, url.hostname]
}

/** Collects origins, exactly as a browser sends them; throws `usage`. */
export function collectOrigin(text: string, earlier: string[]): string[] {
  if (URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text) return [...earlier, text]
  throw new AuthsecError('usage', `${quote(text)} is not an origin`, {
    hint: 'Give scheme, host and port only, as in --cors https://console.example; there is no wildcard.',
  })
}

/** Collects the addresses of proxies, as a socket spells them; throws `usage`. */
export function collectAddress(text: string, earlier: string[]): string[] {
  const isIPv6 = text.includes(':')
  const url = `http://${isIPv6 ? `[${text}]` : text}`
  const name = URL.canParse(url) ? new URL(url).hostname : ''
  if (isIPv6 && name !== '') return [...earlier, name.slice(1, -1)]
  if (name === text && /^\d+(?:\.\d+){3}$/.test(text)) return [...earlier, text]
  throw new AuthsecError('usage', `${quote(text)} is not an IP address`, {
    hint: 'Name each proxy by its address: whoever is trusted decides where requests seem to come from.',
  })
}

/** Reads where keys come from; throws `usage`. */
export function parseKeySource(text: string): KeySourceFlag {
  if (text === 'persistent' || text === 'ephemeral') return text
  const [, file] = /^import=(.+)$/s.exec(text) ?? []
  if (file !== undefined) return { file }
  throw new AuthsecError('usage', `${quote(text)} is not where keys come from`, {
    hint: 'Write persistent, ephemeral, or import=FILE.',
  })
}

/** Splits a list of names, each of them once; the server knows which there are, and it is not loaded before it is started. */
export function parseNames(text: string): string[] {
  return [...new Set(text.split(',').map((name) => name.trim()))]
}
