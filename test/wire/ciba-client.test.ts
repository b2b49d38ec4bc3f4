import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ALICE, type Door, openDoor } from '../server/login/door.js'

// What AuthSec's published CIBA clients do, written from what is known of them: no line of theirs is used. The two
// languages behave alike, except that the Python one raises when an answer of any status is not JSON.

interface Approval {
  status: 'approved' | 'access_denied' | 'expired_token' | 'timeout'
  token?: string
}

interface CibaClient {
  initiateAppApproval(email: string): Promise<{ auth_req_id: string }>
  pollForApproval(email: string, authReqId: string): Promise<Approval>
}

const MESSAGE = 'Authentication requested via Voice SDK'

/** The clock of a test stands in for the client's sleep, so that nobody waits. */
function createCibaClient(
  base: string,
  { clientId, prefix, sleep }: { clientId: string | undefined; prefix: string; sleep: () => Promise<void> },
): CibaClient {
  const plane = `${base}${prefix}/uflow/auth/${clientId === undefined ? '' : 'tenant/'}ciba`

  async function call(path: string, body: object) {
    const response = await fetch(`${plane}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })
    // It ignores the status; the Python client trips over anything but JSON.
    expect(response.headers.get('content-type')).toBe('application/json')
    return (await response.json()) as Record<string, string>
  }

  return {
    async initiateAppApproval(email) {
      const who = clientId === undefined ? { login_hint: email } : { client_id: clientId, email }
      const { auth_req_id = '' } = await call('/initiate', { ...who, binding_message: MESSAGE })
      return { auth_req_id }
    },
    async pollForApproval(_email, authReqId) {
      const body = { auth_req_id: authReqId, ...(clientId !== undefined && { client_id: clientId }) }
      for (let elapsed = 0; elapsed < 300; elapsed += 5) {
        const { access_token, token, error } = await call('/token', body)
        const found = access_token ?? token
        if (found !== undefined) return { status: 'approved', token: found }
        if (error === 'access_denied' || error === 'expired_token') return { status: error }
        await sleep()
      }
      return { status: 'timeout' }
    },
  }
}

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
beforeEach(() => door.pass(300))
afterAll(() => door.server.close())

describe.each([
  { client: 'with a client id', hasClientId: true, prefix: '/authsec' },
  { client: 'with a client id, of an older version', hasClientId: true, prefix: '' },
  { client: 'without a client id', hasClientId: false, prefix: '/authsec' },
  { client: 'without a client id, of an older version', hasClientId: false, prefix: '' },
])("AuthSec's CIBA client $client", ({ hasClientId, prefix }) => {
  const open = (onSleep: () => Promise<unknown> = async () => {}) =>
    createCibaClient(door.server.url, {
      clientId: hasClientId ? door.server.clientId : undefined,
      prefix,
      sleep: async () => {
        door.pass(5)
        await onSleep()
      },
    })

  const answer = async (approved: boolean) => {
    const session = await door.login(ALICE)
    const { body } = await door.get('/uflow/auth/tenant/ciba/requests', session)
    const [{ auth_req_id, binding_message }] = body.requests
    expect(binding_message).toBe(MESSAGE)
    await door.post('/uflow/auth/tenant/ciba/respond', { auth_req_id, approved }, session)
  }

  test('polls until somebody approves, and gets a token', async () => {
    let polls = 0
    const client = open(async () => {
      polls++
      if (polls === 3) await answer(true)
    })
    const { auth_req_id } = await client.initiateAppApproval(ALICE)
    const approval = await client.pollForApproval(ALICE, auth_req_id)
    expect(approval).toEqual({ status: 'approved', token: expect.any(String) })
    expect(polls).toBe(3)
    const { body } = await door.post('/authmgr/token/verify', { token: approval.token })
    expect(body).toMatchObject({ valid: true, email_id: ALICE })
  })

  test('stops when somebody denies', async () => {
    const client = open(() => answer(false))
    const { auth_req_id } = await client.initiateAppApproval(ALICE)
    expect(await client.pollForApproval(ALICE, auth_req_id)).toEqual({ status: 'access_denied' })
  })

  test('ends when nobody answers for five minutes', async () => {
    const client = open()
    const { auth_req_id } = await client.initiateAppApproval(ALICE)
    expect((await client.pollForApproval(ALICE, auth_req_id)).status).toMatch(/^(?:timeout|expired_token)$/)
  })

  test('is told at once that a request does not exist', async () => {
    expect(await open().pollForApproval(ALICE, 'unknown')).toEqual({ status: 'expired_token' })
  })
})

test("AuthSec's CIBA client is answered by a server that approves by itself", async () => {
  const door = await openDoor({ ciba: 'auto-approve' })
  const client = createCibaClient(door.server.url, {
    clientId: door.server.clientId,
    prefix: '',
    sleep: () => Promise.reject(new Error('nobody has to wait')),
  })
  const { auth_req_id } = await client.initiateAppApproval(ALICE)
  expect((await client.pollForApproval(ALICE, auth_req_id)).status).toBe('approved')
  await door.server.close()
})
