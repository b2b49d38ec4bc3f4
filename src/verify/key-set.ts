import { AuthsecError } from '../core/errors.js'
import type { VerifyEvent } from './events.js'
import { fetchJson } from './fetch-json.js'
import { type KeyQuery, parseKeySet, selectKey, type VerificationKey } from './jwk.js'
import { createSingleFlight, elapsedSince } from './single-flight.js'

/** The keys of one issuer. */
export interface KeySet {
  /** The key a token means, asking the server where that can help; undefined when it has no such key. */
  find(query: KeyQuery): Promise<VerificationKey | undefined>
  /** The same from what is loaded, without waiting; throws when nothing is. */
  findLoaded(query: KeyQuery): VerificationKey | undefined
  /** Makes sure that fresh keys are loaded. */
  load(): Promise<void>
}

export interface RemoteKeySetOptions {
  url: URL
  /** How long keys outlive their fresh time when the server cannot be reached, in milliseconds. */
  staleGraceMs: number
  fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  clock: () => number
  onEvent: (event: VerifyEvent) => void
}

const MINUTE = 60_000
/** How long keys are fresh: as long as the server says within these bounds, or the default. */
const FRESHNESS = { default: 10 * MINUTE, least: MINUTE, most: 60 * MINUTE }
/** From this part of their fresh time on, keys are renewed while they are still used. */
const RENEWAL = 0.8
/** How often an outage is told of. */
const ALARM_INTERVAL = MINUTE
/** An unknown key id is a reason to ask the server, but only this often. */
const UNKNOWN_ID_INTERVAL = 10_000
/** How long one id is no reason to ask again once the server did not know it, and how many such ids are kept. */
const UNKNOWN_ID_MEMORY = { ms: 30_000, ids: 100 }

/** Keys that are given once and never change. */
export function createStaticKeySet(keys: readonly VerificationKey[]): KeySet {
  return {
    find: async (query) => selectKey(keys, query),
    findLoaded: (query) => selectKey(keys, query),
    load: async () => {},
  }
}

/**
 * Keys that live at a URL. They are fetched at first use, renewed in the background before they go stale, and
 * fetched early for an id that is not among them; however many tokens ask, the server sees few requests.
 * While it cannot be reached, the keys at hand remain good for the stale grace.
 */
export function createRemoteKeySet(options: RemoteKeySetOptions): KeySet {
  const { url, staleGraceMs, fetch, clock, onEvent } = options
  let keys: readonly VerificationKey[] = []
  let loadedAt = Number.NEGATIVE_INFINITY
  let freshFor = 0
  let alarmedAt = Number.NEGATIVE_INFINITY
  const unknownIds = new Map<string, number>()
  const flight = createSingleFlight(fetchKeys, clock)

  async function fetchKeys(): Promise<void> {
    try {
      const { document, maxAge } = await fetchJson(url, fetch)
      const published = parseKeySet(document, url.origin, keys)
      const withdrawn = keys.filter((key) => !published.includes(key))
      keys = published
      loadedAt = clock()
      freshFor = clampFreshness(maxAge)
      alarmedAt = Number.NEGATIVE_INFINITY
      onEvent({ type: 'keys.loaded', url: url.href, keys: keys.length })
      if (withdrawn.length > 0) {
        onEvent({ type: 'keys.withdrawn', url: url.href, ids: withdrawn.map(({ id }) => id) })
      }
    } catch (error) {
      if (AuthsecError.is(error)) raiseAlarm(error)
      throw error
    }
  }

  function raiseAlarm({ code }: AuthsecError): void {
    if (elapsedSince(alarmedAt, clock) < ALARM_INTERVAL) return
    alarmedAt = clock()
    const usableForMs = Math.max(0, freshFor + staleGraceMs - age())
    onEvent({ type: 'keys.unavailable', url: url.href, code, usableForMs })
  }

  // From a clock that was set back nobody knows how old they are: too old to be fresh, and not yet too old for the grace.
  function age(): number {
    const elapsed = clock() - loadedAt
    if (elapsed >= 0) return elapsed
    loadedAt = clock() - freshFor - 1
    return freshFor + 1
  }
  const isFresh = () => age() <= freshFor
  const isRenewalDue = () => age() > freshFor * RENEWAL
  const isUsable = () => age() <= freshFor + staleGraceMs

  // Whether the server might know a key that is not at hand. A flight that is under way may bring it.
  function isWorthAsking(id: string | undefined): boolean {
    if (id !== undefined && elapsedSince(unknownIds.get(id) ?? -Infinity, clock) < UNKNOWN_ID_MEMORY.ms) {
      return false
    }
    return flight.isRunning() || flight.sinceStart() >= UNKNOWN_ID_INTERVAL
  }

  function rememberUnknown(id: string): void {
    const [oldest] = unknownIds.keys()
    if (oldest !== undefined && unknownIds.size >= UNKNOWN_ID_MEMORY.ids) unknownIds.delete(oldest)
    unknownIds.set(id, clock())
  }

  function renewInBackground(): void {
    // A failure has been reported as an event, and whoever finds the keys too old meets it.
    if (!flight.isRunning()) flight.run().catch(() => {})
  }

  // A key that is not at hand is unknown, unless the server could not be asked: then nobody can tell.
  function giveUp(): undefined {
    if (flight.lastFailure() !== undefined) throw flight.lastFailure()
  }

  return {
    async find(query) {
      const known = isUsable() ? selectKey(keys, query) : undefined
      // In an outage nobody waits for it to end while there is a key that may be used.
      if (known !== undefined && (isFresh() || flight.lastFailure() !== undefined)) {
        if (isRenewalDue()) renewInBackground()
        return known
      }
      if (isFresh() && !isWorthAsking(query.id)) return giveUp()
      try {
        await flight.run()
      } catch (error) {
        if (known !== undefined) return known
        throw error
      }
      const found = selectKey(keys, query)
      if (found === undefined && query.id !== undefined) rememberUnknown(query.id)
      return found
    },

    findLoaded(query) {
      if (!isUsable()) throw flight.lastFailure() ?? notLoaded(url)
      const known = selectKey(keys, query)
      if (isRenewalDue() || (known === undefined && isWorthAsking(query.id))) renewInBackground()
      return known ?? giveUp()
    },

    async load() {
      if (!isFresh()) await flight.run()
    },
  }
}

function clampFreshness(maxAge: number | undefined): number {
  if (maxAge === undefined) return FRESHNESS.default
  return Math.min(Math.max(maxAge * 1000, FRESHNESS.least), FRESHNESS.most)
}

function notLoaded(url: URL): AuthsecError {
  return new AuthsecError('configuration', `the keys of ${url.origin} are not loaded`, {
    hint: 'Await warm() before the first verifySync(), or use verify().',
  })
}
