import { probeGeneration } from '../api/generation.js'
import { type ApiTarget, downloadFile, JSON_TYPE } from '../api/http.js'
import { describeSession } from '../api/login.js'
import { AuthsecError } from '../core/errors.js'
import type { Generation } from '../core/generation.js'
import { quote, toPrintable } from '../core/printable.js'
import { isJsonObject, type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import { type Connection, openConnection } from './connection.js'
import type { Context } from './context.js'
import type { Check, Finding } from './diagnosis.js'
import { type ConnectionFlags, listSettings } from './settings.js'

/** Beyond this two clocks differ, and not only by the second in which the server wrote its answer; in seconds. */
const TOLERATED_OFFSET = 2
const TIMEOUT_MS = 5_000

/** What can be wrong with the server in use, and on the way to it. */
export function listServerChecks(context: Context, flags: ConnectionFlags): Record<string, Check> {
  let connection: Connection | undefined
  let isReachable = false
  let generation: Generation | undefined

  const withServer =
    (name: string, check: (connection: Connection) => Promise<Finding | readonly Finding[]>): Check =>
    async () =>
      connection && isReachable
        ? await check(connection)
        : { name, outcome: 'skipped', detail: 'no server to ask' }

  return {
    settings: async () => {
      connection = await openConnection(context, flags)
      const settings = await listSettings(context)
      const said = settings.map(({ name, value, where }) => `${name} ${quote(value, 100)} (${where})`)
      return {
        name: 'settings',
        outcome: 'ok',
        detail: said.join(', ') || `server ${connection.target.serverUrl}`,
      }
    },
    server: async () => {
      if (connection === undefined)
        return { name: 'server', outcome: 'skipped', detail: 'no server is given' }
      const findings = await checkClock(context, connection)
      isReachable = true
      return findings
    },
    generation: withServer('generation', async (open) => {
      generation = await probeGeneration(open.target)
      return describeGeneration(generation, open.generation)
    }),
    keys: withServer('keys', (open) => checkKeys(open, generation !== undefined)),
    session: withServer('session', (open) => checkSession(open)),
  }
}

async function checkClock({ fetch, clock }: Context, { target }: Connection): Promise<Finding[]> {
  const asked = clock.now()
  const response = await fetch(`${target.serverUrl}/authsec/uflow/health`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause) => {
    throw new AuthsecError('network', `${target.serverUrl} cannot be reached`, {
      hint: 'Start it with authsec dev serve, or check the address and the network.',
      cause,
    })
  })
  await response.body?.cancel()
  const answered = clock.now()
  const took = `${Math.round(answered - asked)} ms`
  const reachable: Finding = {
    name: 'server',
    outcome: 'ok',
    detail: `${target.serverUrl} answered in ${took}`,
  }
  const date = Date.parse(response.headers.get('date') ?? '')
  if (Number.isNaN(date))
    return [reachable, { name: 'clock', outcome: 'skipped', detail: 'the server tells no time' }]
  const offset = Math.round((date - (asked + answered) / 2) / 1000)
  if (Math.abs(offset) <= TOLERATED_OFFSET) {
    return [reachable, { name: 'clock', outcome: 'ok', detail: 'this clock and that of the server agree' }]
  }
  return [
    reachable,
    {
      name: 'clock',
      outcome: 'warning',
      detail: `the clock of the server is ${Math.abs(offset)} s ${offset > 0 ? 'ahead of' : 'behind'} this one`,
      hint: 'Call tokens live seconds: let both keep time by NTP.',
    },
  ]
}

function describeGeneration(found: Generation | undefined, remembered: Generation | undefined): Finding {
  const name = 'generation'
  if (found === undefined) {
    return { name, outcome: 'warning', detail: 'nothing tells which generation of AuthSec this is' }
  }
  if (remembered === undefined || remembered === found) {
    return { name, outcome: 'ok', detail: `the server is of generation ${found}` }
  }
  return {
    name,
    outcome: 'warning',
    detail: `the server is of generation ${found}, the profile says ${remembered}`,
    hint: `Change it with authsec config set generation ${found}.`,
  }
}

async function checkKeys({ target }: Connection, isRecognised: boolean): Promise<Finding> {
  const { serverUrl } = target
  const keys = await fetchPublishedKeys(target)
  if (keys.length === 0 && !isRecognised) {
    return {
      name: 'keys',
      outcome: 'failed',
      code: 'server_error',
      detail: `${serverUrl} publishes no keys, and answers nothing as an AuthSec server does`,
      hint: 'Check the address.',
    }
  }
  if (keys.length === 0) {
    return {
      name: 'keys',
      outcome: 'warning',
      detail: 'the server publishes no keys for call tokens at /oauth/jwks',
    }
  }
  const algorithms = [...new Set(keys.map(({ alg }) => toPrintable(String(alg).slice(0, 20))))]
  const detail = `${keys.length} published for call tokens: ${algorithms.join(', ')}`
  const hasPrivate = keys.some((key) => 'd' in key || 'k' in key)
  return hasPrivate
    ? { name: 'keys', outcome: 'failed', code: 'server_error', detail: 'the server publishes a private key' }
    : { name: 'keys', outcome: 'ok', detail }
}

async function fetchPublishedKeys(target: ApiTarget): Promise<JsonObject[]> {
  try {
    const request = { method: 'GET', path: '/oauth/jwks', session: 'never', timeoutMs: TIMEOUT_MS } as const
    return readKeySet(await downloadFile(target, request, JSON_TYPE))
  } catch (error) {
    // Not every generation has call tokens.
    if (AuthsecError.is(error, 'not_found')) return []
    throw error
  }
}

// What is no key set has no keys.
function readKeySet(bytes: Uint8Array): JsonObject[] {
  try {
    const { keys } = parseStrictJsonObject(new TextDecoder().decode(bytes))
    return Array.isArray(keys) ? keys.filter(isJsonObject) : []
  } catch {
    return []
  }
}

async function checkSession({ target, session, generation }: Connection): Promise<Finding> {
  const name = 'session'
  if (session === undefined) {
    return { name, outcome: 'skipped', detail: 'nobody is logged in', hint: 'Log in with authsec login.' }
  }
  const { email, expiresAt, permissions } = await describeSession(target, session.token, generation)
  const isAdmin = permissions.includes('admin:access')
  const until = toPrintable(expiresAt ?? session.expiresAt ?? 'an unknown time')
  return {
    name,
    outcome: 'ok',
    detail: `${toPrintable(email ?? 'somebody')} until ${until}${isAdmin ? ', an admin' : ''}`,
  }
}
