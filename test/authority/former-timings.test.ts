import { beforeEach, describe, expect, test } from 'vitest'
import { type Authority, openAuthority } from '../../src/authority/authority.js'
import type { KeyPlace, KeyTimings } from '../../src/authority/key-sets.js'
import {
  type AuthorityBench,
  ISSUER,
  KEK,
  openBench,
  PROVENANCE,
  refusalOf,
} from '../support/authority-bench.js'

const ES256: KeyPlace = { purpose: 'call', alg: 'ES256' }
const PUBLISH_MS = 660_000
/** What the bench has signed lives for five minutes, and verifiers may be a minute late. */
const OVERLAP_MS = 360_000
const SHORT: KeyTimings = { publishSeconds: 0, rotateSeconds: 86_400, maxCallTtl: 5, skewSeconds: 0 }

let bench: AuthorityBench
/** The key that has signed a token of five minutes. */
let kid: string

beforeEach(async () => {
  bench = await openBench()
  bench.clock.now += PUBLISH_MS
  kid = bench.authority.keyring.call.ES256.kid
  const { token } = await bench.grant()
  await bench.exchange(token, { ttl_seconds: '300' })
})

/** Starts the next server on the state. */
function restart(keyTimings: KeyTimings): Promise<Authority> {
  return openAuthority({ store: bench.store, kek: KEK, issuer: ISSUER, clock: bench.clock.read, keyTimings })
}
const rotate = ({ keys }: Authority) => keys.rotate(ES256, bench.seeded.admin, PROVENANCE)
async function stateAfter(ms: number, { keys }: Authority, of = kid): Promise<string | undefined> {
  bench.clock.now += ms
  await keys.upkeep()
  return (await keys.list()).find((key) => key.kid === of)?.state
}

describe('a server with shorter timings than the one before it', () => {
  test('keeps a key for as long as the tokens live that were signed before', async () => {
    const server = await restart(SHORT)
    await rotate(server)
    expect(await stateAfter(OVERLAP_MS - 1, server)).toBe('retiring')
    expect(server.keyring.callKeySet.keys.map((key) => key.kid)).toContain(kid)
    expect(await stateAfter(1, server)).toBe('retired')
  })

  test('lists those tokens where the key is tainted', async () => {
    const { keys } = await restart(SHORT)
    bench.clock.now += 60_000
    const { liveTokens } = await keys.condemn(kid, 'tainted', bench.seeded.admin, PROVENANCE)
    expect(liveTokens).toMatchObject({ total: 1, tokens: [{ type: 'token.exchanged' }] })
  })

  test('goes by its own once they have ended', async () => {
    const server = await restart(SHORT)
    bench.clock.now += PUBLISH_MS
    await rotate(server)
    expect(await stateAfter(4_999, server)).toBe('retiring')
    expect(await stateAfter(1, server)).toBe('retired')
  })

  test('lets no key sign that is missing from a key set which somebody was told to keep', async () => {
    const server = await restart(SHORT)
    await rotate(server)
    expect(await refusalOf(rotate(server))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`may sign in ${PUBLISH_MS / 1000} seconds`),
    })
    bench.clock.now += PUBLISH_MS
    await rotate(server)
    await rotate(server)
  })

  test('keeps what the one before that has promised, through any number of starts', async () => {
    await restart({ ...SHORT, maxCallTtl: 100 })
    bench.clock.now += 10_000
    await restart(SHORT)
    bench.clock.now += 10_000
    const server = await restart({ ...SHORT, maxCallTtl: 6 })
    await rotate(server)
    // Until the last of them has ended, and no longer: it was signed before the first of these starts.
    expect(await stateAfter(OVERLAP_MS - 20_001, server)).toBe('retiring')
    expect(await stateAfter(1, server)).toBe('retired')
  })

  test('takes those before it for the longest where they are not known', async () => {
    await bench.store.write(({ settings }) => settings.replace({ name: 'timings', value: '{}' }))
    const server = await restart(SHORT)
    await rotate(server)
    expect(await stateAfter(OVERLAP_MS - 1, server)).toBe('retiring')
  })
})
