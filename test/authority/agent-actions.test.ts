import { expect, test } from 'vitest'
import { openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

test('a program that holds a session cannot approve what it wants to do', async () => {
  const { authority, admin, seeded, alice } = await openBench()
  const { agentActions } = authority
  const input = {
    clientId: seeded.agentId,
    agentId: 'agent-1',
    action: 'delete',
    resource: 'customers',
    userEmail: alice.email,
  }
  const { id } = await agentActions.evaluate(input, admin, PROVENANCE)
  const held = { ...admin, clientId: seeded.agentId }
  const refusal = await refusalOf(agentActions.respond(id, true, held, PROVENANCE))
  expect(refusal).toMatchObject({
    code: 'access_denied',
    message: 'only a session that a person has logged in to may answer',
  })
  expect(await agentActions.find(id)).toMatchObject({ status: 'pending' })
})
