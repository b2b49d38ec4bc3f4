import { expect, test } from 'vitest'
import { openBench, PROVENANCE, refusalOf } from '../../support/authority-bench.js'

// What a record must never hold, however it came about.
const TOKEN = /eyJ[\w-]{8,}\.|eyJ[\w-]{30,}/

test('no record of a whole life holds a token, a part of one, a key or an address of a person', async () => {
  const bench = await openBench()
  const { authority, store, seeded } = bench
  const secrets: string[] = []
  const keep = (token: string) => {
    secrets.push(token, ...token.split('.'))
    return token
  }

  const session = keep(await authority.sessions.start(bench.admin.user))
  const baseToken = keep((await bench.grant()).token)
  keep((await authority.delegations.pull(seeded.agentId, PROVENANCE)).token)
  const callToken = keep((await bench.exchange(baseToken, { tool: 'show_bills' })).access_token)
  await authority.clients.register(
    { name: 'bot', email: 'bot@authsec.test', clientType: 'ai_agent', agentType: 'langchain' },
    bench.admin,
    PROVENANCE,
  )
  // A token where it does not belong, and everything that is refused.
  for (const wrong of [
    session,
    callToken,
    `${baseToken.slice(0, -4)}AAAA`,
    `${baseToken}x`,
    'x'.repeat(9_000),
  ]) {
    await refusalOf(bench.exchange(wrong))
  }
  for (const name of ['scope', 'resource', 'subject_token_type', 'requested_token_type', 'ttl_seconds']) {
    await refusalOf(bench.exchange(baseToken, { [name]: baseToken }))
  }
  await refusalOf(bench.exchange(baseToken, { tool: baseToken }))
  await refusalOf(bench.exchange(baseToken, { client_secret: 'a-secret-nobody-asked-for' }))
  await authority.delegations.revoke(seeded.agentId, bench.alice, PROVENANCE)
  await refusalOf(authority.delegations.pull(seeded.agentId, PROVENANCE))

  const records = (await store.audit.search({ limit: 1_000 })).map(({ record }) => record)
  expect(records.length).toBeGreaterThan(15)
  const { call, base, session: sessionKey } = authority.keyring.active
  const keys = [call, base].map(({ privateKey }) => privateKey.export({ format: 'jwk' }).d as string)
  keys.push(sessionKey.privateKey.export({ format: 'jwk' }).k as string, 'a-secret-nobody-asked-for')
  // The header of a base token is in every base token: it gives nothing away, but it does not belong there either.
  const leaked = [...secrets, ...keys].filter((secret) => records.some((record) => record.includes(secret)))
  expect(leaked).toEqual([])
  expect(records.filter((record) => TOKEN.test(record))).toEqual([])
  expect(records.filter((record) => record.includes('@'))).toEqual([])
})
