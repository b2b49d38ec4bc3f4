import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ISSUER, PROVENANCE, refusalOf } from '../../support/authority-bench.js'
import {
  BASE_TOKEN,
  BILLING,
  CALL_TOKEN,
  type ChainBench,
  type Fields,
  openChainBench,
  SESSION_TOKEN,
} from '../../support/chain-bench.js'
import { type IdentityIssuer, JOB, startIdentityIssuer } from '../../support/identity-issuer.js'

let bench: ChainBench
let session: string
let revocable: string
let issuer: IdentityIssuer

beforeAll(async () => {
  issuer = await startIdentityIssuer(() => bench.clock.now, ISSUER)
})
afterAll(() => issuer.close())
beforeEach(async () => {
  bench = await openChainBench()
  session = await bench.authority.sessions.start(bench.alice)
})

/** Something that ends between the moment an exchange is decided and the moment it is committed. */
interface Race {
  what: string
  exchange: () => Promise<() => Promise<unknown>>
  happen: () => unknown
  code: string
}

const throughChain = async () => {
  const token = await bench.chain(2)
  return () => as(1, token, CALL_TOKEN)
}
const throughSession = async () => () => as(0, session, SESSION_TOKEN)
const throughActor = async () => () =>
  as(0, session, SESSION_TOKEN, { actor_token: bench.baseToken, actor_token_type: BASE_TOKEN })

const throughStandIn = async () => {
  session = await bench.authority.sessions.start(bench.seeded.admin)
  const fields = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    client_id: agent(0).id,
    subject_token: bench.baseToken,
    subject_token_type: BASE_TOKEN,
    resource: BILLING,
  }
  const form = new Map(Object.entries(fields))
  return () => bench.authority.tokens.issue({ form, authorization: `Bearer ${session}` }, PROVENANCE)
}

const JOB_RULE = 'deploy'
const trust = (url: string) =>
  bench.authority.trustRules.create(
    { name: JOB_RULE, clientId: agent(0).id, issuer: url, audience: ISSUER, subject: JOB.sub, claims: {} },
    bench.admin,
    PROVENANCE,
  )
const distrust = () => bench.authority.trustRules.remove(JOB_RULE, bench.admin, PROVENANCE)

const throughJob = async () => {
  await trust(issuer.url)
  const fields = {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    client_id: agent(0).id,
    assertion: issuer.sign(),
    resource: BILLING,
  }
  const form = new Map(Object.entries(fields))
  return () => bench.authority.tokens.issue({ form, authorization: null }, PROVENANCE)
}

describe('what ends between the decision and the commit', () => {
  test.each<Race>([
    {
      what: 'the root of a chain, revoked',
      exchange: throughChain,
      happen: () => bench.authority.delegations.revoke(agent(0).id, bench.alice, PROVENANCE),
      code: 'invalid_grant',
    },
    {
      what: 'the root of a chain, replaced',
      exchange: throughChain,
      happen: () => bench.grant(),
      code: 'invalid_grant',
    },
    {
      what: 'an agent earlier in a chain, deactivated',
      exchange: async () => {
        const token = await bench.chain(3)
        return () => as(2, token, CALL_TOKEN)
      },
      happen: () => deactivate(1),
      code: 'invalid_grant',
    },
    {
      what: 'the presenter of a chain, deactivated',
      exchange: async () => {
        const { access_token: token } = await as(0, bench.baseToken, BASE_TOKEN, { resource: agent(1).api })
        return () => as(1, token, CALL_TOKEN)
      },
      happen: () => deactivate(1),
      code: 'invalid_client',
    },
    {
      what: 'a token earlier in a chain, revoked',
      exchange: async () => {
        revocable = (await as(0, bench.baseToken, BASE_TOKEN, { resource: agent(1).api })).access_token
        const { access_token: token } = await as(1, revocable, CALL_TOKEN, { resource: agent(2).api })
        return () => as(2, token, CALL_TOKEN)
      },
      happen: () => bench.post('/oauth/revoke', { client_id: agent(0).id, token: revocable }),
      code: 'invalid_grant',
    },
    {
      what: 'the session of a user',
      exchange: throughSession,
      happen: endSession,
      code: 'invalid_grant',
    },
    {
      what: 'the session at the root of a chain',
      exchange: async () => {
        const { access_token: token } = await as(0, session, SESSION_TOKEN, { resource: agent(1).api })
        return () => as(1, token, CALL_TOKEN)
      },
      happen: endSession,
      code: 'invalid_grant',
    },
    {
      what: 'the policy behind a session',
      exchange: throughSession,
      happen: async () => {
        const [policy] = await bench.store.policies.list({})
        await bench.store.write((transaction) => transaction.policies.update({ ...policy!, enabled: false }))
      },
      code: 'unauthorized_client',
    },
    {
      what: 'the user behind a session',
      exchange: throughSession,
      happen: () => bench.store.alter({ user: { active: false } }),
      code: 'invalid_grant',
    },
    {
      what: 'the permission of a user behind a session',
      exchange: throughSession,
      happen: () => bench.store.alter({ user: { permissions: new Set(['orders:read']) } }),
      code: 'invalid_scope',
    },
    {
      what: 'the session of an admin in the place of the client',
      exchange: throughStandIn,
      happen: endSession,
      code: 'access_denied',
    },
    {
      what: 'the rights of an admin in the place of the client',
      exchange: throughStandIn,
      happen: () => bench.store.alter({ user: { permissions: new Set(['billing:read']) } }),
      code: 'access_denied',
    },
    {
      what: 'the trust in the identity of a job',
      exchange: throughJob,
      happen: distrust,
      code: 'invalid_grant',
    },
    {
      what: 'the trust in the identity of a job, for which another one has its name',
      exchange: throughJob,
      async happen() {
        await distrust()
        bench.clock.now += 1
        await trust('https://ci.example')
      },
      code: 'invalid_grant',
    },
    {
      what: 'the base token that proves the actor',
      exchange: throughActor,
      happen: () => bench.authority.delegations.revoke(agent(0).id, bench.alice, PROVENANCE),
      code: 'invalid_grant',
    },
  ])('refuses what was signed already: $what', async ({ exchange, happen, code }) => {
    const commit = await exchange()
    bench.store.beforeNextWrite(happen)
    expect(await refusalOf(commit())).toMatchObject({ code })
    const last = (await bench.events()).at(-1)
    expect(last).toMatchObject({ type: 'token.exchanged', outcome: 'deny', reason: code })
    expect(last).not.toHaveProperty('jti')
  })

  test('refuses what was signed for an application itself that is deactivated', async () => {
    const metadata = {
      grantTypes: ['client_credentials'],
      authMethod: 'client_secret_post',
      scope: 'billing:read',
      descriptions: {},
    }
    const registered = await bench.authority.registration.register(metadata, undefined, PROVENANCE)
    const { client, secret = '' } = registered
    const fields = { grant_type: 'client_credentials', client_id: client.id, client_secret: secret }
    const issue = () =>
      bench.authority.tokens.issue(
        { form: new Map(Object.entries({ ...fields, resource: BILLING })), authorization: null },
        PROVENANCE,
      )
    expect(await issue()).toMatchObject({ scope: 'billing:read' })
    bench.store.beforeNextWrite(() =>
      bench.store.write((transaction) => transaction.clients.update({ ...client, active: false })),
    )
    expect(await refusalOf(issue())).toMatchObject({ code: 'invalid_client' })
    const last = (await bench.events()).at(-1)
    expect(last).toMatchObject({ type: 'token.issued', outcome: 'deny', reason: 'invalid_client' })
    expect(last).not.toHaveProperty('jti')
  })

  test('and a change elsewhere stops nothing', async () => {
    const token = await bench.chain(2)
    bench.store.beforeNextWrite(() => deactivate(5))
    expect(await as(1, token, CALL_TOKEN)).toMatchObject({ scope: 'billing:read' })
  })
})

function agent(index: number) {
  return bench.agents[index]!
}

function as(index: number, token: string, type: string, fields: Fields = {}) {
  return bench.exchangeAs(agent(index), token, type, fields)
}

async function endSession(): Promise<void> {
  await bench.authority.sessions.end(await bench.authority.sessions.resume(session), PROVENANCE)
}

async function deactivate(index: number): Promise<void> {
  const client = await bench.authority.clients.find(agent(index).id)
  await bench.store.write((transaction) => transaction.clients.update({ ...client, active: false }))
}
