import { expect, test } from 'vitest'
import { sha256, verifyEd25519 } from '../../../src/authority/audit/log-key.js'
import { parseVerifierKey } from '../../../src/core/checkpoint.js'
import { judgeLog } from '../../../src/core/log-verdict.js'
import { DAY_MS, openBench, PROVENANCE } from '../../support/authority-bench.js'

test('who trusts the former key of the log can follow it to the next one, which the log itself names', async () => {
  const { authority, admin, clock, grant, eventsOf } = await openBench()
  const { publishedLog, sealing, keys } = authority
  const former = publishedLog.verifierKey
  await grant()
  await sealing.seal()
  const events = await eventsOf(() => keys.rotate({ purpose: 'audit', alg: 'EdDSA' }, admin.user, PROVENANCE))
  expect(publishedLog.verifierKey).not.toBe(former)
  expect(events).toEqual([
    expect.objectContaining({
      type: 'key.activated',
      details: expect.objectContaining({ verifier_keys: [publishedLog.verifierKey] }),
    }),
  ])
  await sealing.seal()

  const judge = async () =>
    judgeLog({
      note: await publishedLog.checkpoint(),
      readTile: publishedLog.readTile,
      key: { key: parseVerifierKey(former, sha256), source: 'the key you supplied', isPinned: true },
      handovers: (await publishedLog.readKeys()).handovers,
      anchors: [],
      sha256,
      verify: verifyEd25519,
    })
  // As long as both sign, and after the former has stopped.
  expect(await judge()).toMatchObject({ verdict: 'INTACT', signature: 'good' })
  clock.now += 8 * DAY_MS
  await keys.upkeep()
  await grant()
  await sealing.seal()
  expect(await judge()).toMatchObject({ verdict: 'INTACT', signature: 'handed over' })
})

test('the keys of tokens are no keys of the log', async () => {
  const { authority, admin, clock, eventsOf } = await openBench()
  clock.now += DAY_MS
  const events = await eventsOf(() =>
    authority.keys.rotate({ purpose: 'call', alg: 'EdDSA' }, admin.user, PROVENANCE),
  )
  expect(events[0]?.details).not.toHaveProperty('verifier_keys')
})
