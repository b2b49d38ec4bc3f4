import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { UUID } from '../../support/running-server.js'
import { ADMIN, ALICE, BOB, type Door, openDoor } from '../login/door.js'

const ACTIONS = '/authsec/uflow/agent/actions'
const STRANGER = '11111111-2222-4333-8444-555555555555'

let door: Door
let admin: string
let alice: string
let bob: string

beforeAll(async () => {
  door = await openDoor()
  ;[admin, alice, bob] = [await door.login(ADMIN), await door.login(ALICE), await door.login(BOB)] as const
})
afterAll(() => door.server.close())

const request = (more: object = {}) => ({
  client_id: door.server.clientId,
  agent_id: 'agent-1',
  action: 'send_email',
  resource: 'customers',
  user_email: ALICE,
  ...more,
})
const evaluate = (more: object = {}) => door.post(`${ACTIONS}/evaluate`, request(more), alice)
const respond = (id: string, approved: unknown, token = alice) =>
  door.post(`${ACTIONS}/respond`, { action_req_id: id, approved }, token)
const status = async (id: string) => (await door.get(`${ACTIONS}/status?action_req_id=${id}`, alice)).body
const idOf = async (more: object = {}): Promise<string> => (await evaluate(more)).body.action_req_id

/** A session of Alice's that some program got by asking her, without saying who it is. */
async function letInByCiba(): Promise<string> {
  const plane = '/authsec/uflow/auth/ciba'
  const { auth_req_id } = (await door.post(`${plane}/initiate`, { login_hint: ALICE })).body
  await door.post(`${plane}/respond`, { auth_req_id, approved: true }, alice)
  return (await door.post(`${plane}/token`, { auth_req_id })).body.access_token
}

/** One that a registered client holds. */
async function letInClient(): Promise<string> {
  const client_id = door.server.clientId
  const { device_code, user_code } = (await door.form('/oauth/device_authorization', { client_id })).body
  await door.post('/authsec/uflow/auth/device/authorize', { user_code, approved: true }, alice)
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  return (await door.form('/oauth/token', { grant_type, client_id, device_code })).body.access_token
}

describe('evaluating', () => {
  test('lets what is harmless pass at once', async () => {
    const { status: code, body } = await evaluate({ action: 'read', agent_name: 'Crew' })
    expect(code).toBe(200)
    expect(body).toEqual({
      action_req_id: expect.stringMatching(UUID),
      status: 'auto_approved',
      risk_score: 10,
      risk_level: 'low',
      approval_type: 'auto',
      message: expect.any(String),
    })
    expect(await status(body.action_req_id)).toEqual({
      action_req_id: body.action_req_id,
      status: 'auto_approved',
      risk_score: 10,
      risk_level: 'low',
      decision: 'approved',
    })
  })

  test.each([
    { action: 'send_email', score: 50, level: 'medium', type: 'single' },
    { action: 'delete', score: 85, level: 'critical', type: 'multi' },
  ])('asks people for $action', async ({ action, score, level, type }) => {
    const { body } = await evaluate({ action })
    expect(body).toEqual({
      action_req_id: expect.stringMatching(UUID),
      status: 'pending',
      risk_score: score,
      risk_level: level,
      approval_type: type,
      expires_in: 300,
      interval: 5,
      message: expect.any(String),
    })
    expect(await status(body.action_req_id)).toMatchObject({
      status: 'pending',
      error: 'authorization_pending',
    })
  })

  test('is recorded without what the agent tells of it', async () => {
    const id = await idOf({ detail: 'the whole letter' })
    const [event] = await door.events('action.evaluated')
    expect(event).toMatchObject({
      outcome: 'allow',
      client: door.server.clientId,
      subject: { type: 'user', id: door.server.user.id },
      details: { action_req_id: id, action: 'send_email', resource: 'customers', risk_score: 50 },
    })
    expect(JSON.stringify(event)).not.toContain('letter')
  })

  test('is recorded without an action and a resource that are told in words', async () => {
    const id = await idOf({ action: 'mail ada@example.com her card', resource: 'the note of Ada' })
    const answer = { action_req_id: id, approved: false }
    expect((await door.post(`${ACTIONS}/respond`, answer, alice)).status).toBe(200)
    for (const type of ['action.evaluated', 'action.denied']) {
      const [event] = await door.events(type)
      expect(event.details).toEqual({
        action_req_id: id,
        risk_score: expect.any(Number),
        risk_level: expect.any(String),
        approval_type: expect.any(String),
      })
    }
  })

  test.each(['client_id', 'agent_id', 'action', 'resource', 'user_email'])('needs %s', async (name) => {
    expect(await evaluate({ [name]: undefined })).toMatchObject({
      status: 400,
      body: { error: `${name} is required` },
    })
  })

  test.each([
    { why: 'a client that nobody registered', more: { client_id: STRANGER }, error: /^Client not found/ },
    { why: 'a client that is none', more: { client_id: 'x' }, error: /^Client not found/ },
    { why: 'a user who is not there', more: { user_email: 'x@authsec.test' }, error: /^User not found/ },
    { why: 'a long action', more: { action: 'a'.repeat(257) }, error: /^action has more/ },
    { why: 'a long detail', more: { detail: 'a'.repeat(2049) }, error: /^detail has more/ },
  ])('is refused for $why, and recorded', async ({ more, error }) => {
    expect(await evaluate(more)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(error) },
    })
    expect(await door.events('action.evaluated')).toMatchObject([{ outcome: 'deny' }])
  })

  test.each(['evaluate', 'respond'])('%s needs a session', async (path) => {
    expect((await door.post(`${ACTIONS}/${path}`, request())).status).toBe(401)
  })

  test.each(['status', 'pending'])('%s needs a session', async (path) => {
    expect((await door.get(`${ACTIONS}/${path}`)).status).toBe(401)
  })
})

describe('answering', () => {
  test.each([
    { approved: true, outcome: { status: 'approved', decision: 'approved' } },
    { approved: false, outcome: { status: 'denied', decision: 'denied', error: 'access_denied' } },
  ])('with $approved decides, once', async ({ approved, outcome }) => {
    const id = await idOf()
    expect(await respond(id, approved)).toMatchObject({ status: 200, body: { success: true } })
    expect(await status(id)).toMatchObject(outcome)
    expect(await respond(id, !approved)).toMatchObject({ status: 409 })
    expect(await status(id)).toMatchObject(outcome)
    const [event] = await door.events(approved ? 'action.denied' : 'action.approved')
    expect(event).toMatchObject({ outcome: 'deny', reason: 'conflict' })
  })

  test('of something critical takes two people', async () => {
    const id = await idOf({ action: 'delete' })
    expect((await respond(id, true)).body.message).toMatch(/one more/)
    expect(await status(id)).toMatchObject({ status: 'pending' })
    expect(await respond(id, true)).toMatchObject({ status: 409 })
    expect((await respond(id, true, admin)).status).toBe(200)
    expect(await status(id)).toMatchObject({ status: 'approved' })
  })

  test('of something critical with no takes one', async () => {
    const id = await idOf({ action: 'delete' })
    await respond(id, true)
    await respond(id, false, admin)
    expect(await status(id)).toMatchObject({ status: 'denied' })
  })

  test('of something critical can be taken back while it waits for the other', async () => {
    const id = await idOf({ action: 'delete' })
    await respond(id, true)
    expect(await respond(id, false)).toMatchObject({ status: 200, body: { message: 'Action denied' } })
    expect(await status(id)).toMatchObject({ status: 'denied', decision: 'denied' })
    for (const session of [alice, admin]) expect((await respond(id, true, session)).status).toBe(409)
    expect(await door.events('action.denied')).toMatchObject([{ outcome: 'allow' }])
  })

  test('is for the user it is about and for admins', async () => {
    const id = await idOf()
    expect(await respond(id, true, bob)).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
    expect(await status(id)).toMatchObject({ status: 'pending' })
    expect(await respond(id, true, admin)).toMatchObject({ status: 200 })
  })

  test.each([
    { why: 'CIBA has given to nobody in particular', letIn: letInByCiba },
    { why: 'a client holds', letIn: letInClient },
  ])('is not for a session that $why, nor is what waits', async ({ letIn }) => {
    const id = await idOf({ detail: 'Dear customers' })
    const held = await letIn()
    expect(await respond(id, true, held)).toMatchObject({
      status: 403,
      body: { error: 'insufficient_scope' },
    })
    expect(await status(id)).toMatchObject({ status: 'pending' })
    const pending = await door.get(`${ACTIONS}/pending`, held)
    expect(pending.status).toBe(403)
    expect(JSON.stringify(pending.body)).not.toContain('customers')
  })

  test.each([
    { why: 'nothing of that id', body: { action_req_id: STRANGER, approved: true }, status: 404 },
    { why: 'no id', body: { action_req_id: 'x', approved: true }, status: 404 },
    { why: 'no answer', body: { action_req_id: STRANGER }, status: 400 },
    { why: 'an answer that is none', body: { action_req_id: STRANGER, approved: 'yes' }, status: 400 },
  ])('is refused with $why', async ({ body, status: code }) => {
    expect((await door.post(`${ACTIONS}/respond`, body, alice)).status).toBe(code)
  })
})

test('an id that nobody knows is told with 200, as AuthSec does', async () => {
  expect(await status(STRANGER)).toEqual({
    action_req_id: STRANGER,
    status: '',
    risk_score: 0,
    risk_level: '',
    error: 'not_found',
    error_description: expect.any(String),
  })
})

// The last ones: they let time pass.
test('what waits is shown to who may answer, and only while it waits', async () => {
  door.pass(301)
  const pending = async (token: string) => (await door.get(`${ACTIONS}/pending`, token)).body
  expect(await pending(admin)).toEqual({ count: 0, actions: [] })
  const id = await idOf({ agent_name: 'Crew', detail: 'Dear customers' })
  const shown = {
    action_req_id: id,
    client_id: door.server.clientId,
    agent_id: 'agent-1',
    agent_name: 'Crew',
    user_id: door.server.user.id,
    action: 'send_email',
    resource: 'customers',
    detail: 'Dear customers',
    risk_score: 50,
    risk_level: 'medium',
    approval_type: 'single',
    status: 'pending',
    created_at: door.now() / 1000,
    expires_at: door.now() / 1000 + 300,
  }
  expect(await pending(alice)).toEqual({ count: 1, actions: [shown] })
  expect(await pending(admin)).toEqual({ count: 1, actions: [shown] })
  expect(await pending(bob)).toEqual({ count: 0, actions: [] })

  door.pass(300)
  expect(await pending(alice)).toEqual({ count: 0, actions: [] })
  expect(await status(id)).toMatchObject({ status: 'expired', error: 'expired_token' })
  expect(await respond(id, true)).toMatchObject({ status: 409 })
})

test('no more than a hundred wait for one user', async () => {
  for (let count = 0; count < 100; count++) expect((await evaluate({ user_email: BOB })).status).toBe(200)
  expect((await evaluate({ user_email: BOB })).status).toBe(429)
  expect((await evaluate({ user_email: BOB, action: 'read' })).status).toBe(200)
  expect((await evaluate()).status).toBe(200)
})
