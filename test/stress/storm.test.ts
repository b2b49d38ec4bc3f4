import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../src/core/audit-record.js'
import { parseJwt } from '../../src/core/jwt.js'
import { type RunningServer, startServer } from '../../src/server/index.js'
import { exchange } from '../support/mint-load.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const AUDIENCE = 'https://billing.example'
const CALLERS = 100

let directory: string
let server: RunningServer

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'authsec-storm-'))
  server = await startServer({ port: 0, state: path.join(directory, 'state') })
  await admin('/authsec/uflow/delegation-policies', {
    role_name: 'admin',
    agent_type: 'langchain',
    allowed_permissions: ['billing:read'],
    resources: [AUDIENCE],
  })
})

afterAll(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

describe('a delegation that is revoked in a storm of exchanges', () => {
  test('issues nothing after its revocation, and every answer is in the log', async ({ annotate }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const total = { issued: 0, refused: 0 }

    for (let round = 0; round < countRounds(3); round++) {
      const agent = `/authsec/uflow/admin/agents/${server.clientId}`
      const { token } = await admin(`${agent}/delegate-token`, {
        agent_type: 'langchain',
        audience: ['authsec-api'],
      })
      const base = parseJwt(token).claims['jti']
      const revocation = delay(random() * 40).then(() => admin(`${agent}/revoke-token`, {}))
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, async () => {
          await delay(random() * 60)
          return await exchange(server.url, server.clientId, token)
        }),
      )
      await revocation

      const issued = answers.filter(({ status }) => status === 200).map(({ body }) => body.access_token)
      const refused = answers.filter(({ status }) => status !== 200)
      expect(refused.map(({ status, body }) => `${status} ${body.error}`)).toEqual(
        refused.map(() => '400 invalid_grant'),
      )

      const log = (await readLog()).filter(({ event }) => event.parent_jti === base || event.jti === base)
      const allowed = log.filter(({ event }) => event.type === 'token.exchanged' && event.outcome === 'allow')
      expect(allowed.map(({ event }) => event.jti).sort()).toEqual(
        issued.map((jwt) => parseJwt(String(jwt)).claims['jti']).sort(),
      )
      const revoked = (await readLog()).findLast(({ event }) => event.type === 'delegation.revoked')
      expect(Math.max(-1, ...allowed.map(({ seq }) => seq))).toBeLessThan(revoked!.seq)
      total.issued += issued.length
      total.refused += refused.length
    }
    // The revocation fell into the storm, not before or after it.
    expect(total.issued).toBeGreaterThan(0)
    expect(total.refused).toBeGreaterThan(0)
  })
})

/** The newest thousand events. */
async function readLog(): Promise<AuditEntry[]> {
  const response = await fetch(`${server.url}/audit/events?last=1000&limit=1000`, {
    headers: { authorization: `Bearer ${server.adminToken}` },
  })
  return JSON.parse(await response.text()).events
}

async function admin(target: string, body: unknown) {
  const response = await fetch(`${server.url}${target}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${target} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}
