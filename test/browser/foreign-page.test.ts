import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { ALICE, type Door, openDoor } from '../server/login/door.js'
import { isChromiumMissing, launchChromium } from '../support/chromium.js'

if (isChromiumMissing) console.warn('skipped, because Chromium is not installed: pages of other origins')

describe.skipIf(isChromiumMissing)('a page of another origin, while somebody is logged in', () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let door: Door
  let evil: Server
  let evilUrl: string

  beforeAll(async () => {
    door = await openDoor()
    evil = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title><body></body>')
    })
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
    evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/`
    browser = await launchChromium()
    context = await browser.newContext()
    page = await context.newPage()
  })
  // Somebody who has just let a device in is known to the page: the browser sends that with whatever it is made to
  // send, because a second port is the same site.
  beforeEach(async () => {
    door.pass(300)
    const { body } = await door.post('/uflow/auth/device/code', {})
    await page.goto(`${door.server.url}/activate?user_code=${body.user_code}`)
    if (await page.getByLabel('Password').isVisible()) {
      await page.getByLabel('E-mail address').fill(ALICE)
      await page.getByLabel('Password').fill(door.passwords[ALICE] ?? '')
    }
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.goto(evilUrl)
  })
  afterAll(async () => {
    await browser?.close()
    await new Promise((resolve) => evil?.close(resolve))
    await door?.server.close()
  })

  const countAllowed = async (): Promise<Record<string, number>> => {
    const { body } = await door.get('/audit/events?filter=outcome=allow&limit=1000', door.server.adminToken)
    const counts: Record<string, number> = {}
    for (const { event } of body.events) counts[event.type] = (counts[event.type] ?? 0) + 1
    return counts
  }

  test('cannot answer a device by posting the form', async () => {
    const { body } = await door.post('/uflow/auth/device/code', {})
    const before = await countAllowed()
    await page.setContent(
      `<form method="post" action="${door.server.url}/activate"><input name="user_code" value="${body.user_code}">` +
        '<button name="step" value="approve">Win a prize</button></form>',
    )
    await page.getByRole('button').click()
    await page.getByRole('heading', { name: 'This did not work' }).waitFor()
    const polled = await door.post('/uflow/auth/device/token', { device_code: body.device_code })
    expect(polled.body.error).toBe('authorization_pending')
    expect(await countAllowed()).toEqual(before)
  })

  test('reaches neither pull, login, exchange, admin nor device endpoints by request', async () => {
    const before = await countAllowed()
    const { clientId, tenantId, url } = door.server
    const calls = [
      { path: `/authsec/uflow/sdk/delegation-token?client_id=${clientId}` },
      { path: '/authsec/uflow/auth/admin/challenge' },
      {
        path: '/authsec/uflow/auth/admin/login',
        body: JSON.stringify({ email: ALICE, password: door.passwords[ALICE] }),
      },
      { path: '/oauth/token', body: 'grant_type=x' },
      { path: '/oauth/device_authorization', body: `client_id=${clientId}` },
      { path: '/uflow/auth/device/code', body: '{}' },
      { path: `/authsec/clientms/tenants/${tenantId}/clients/create`, body: '{"name":"x","email":"x@y.z"}' },
      { path: '/admin/resources', body: '{"uri":"https://x.example","permissions":[]}' },
      { path: '/audit/events' },
      { path: '/uflow/auth/ciba/initiate', body: JSON.stringify({ login_hint: ALICE }) },
    ]
    const statuses = (await page.evaluate(
      `(${CALL_EVERYTHING})(${JSON.stringify([url, calls])})`,
    )) as string[]
    // Nothing can be read: it failed, or is opaque.
    expect(statuses).toHaveLength(2 * calls.length)
    expect(statuses.filter((status) => status !== 'failed' && status !== 'opaque 0')).toEqual([])
    expect(await countAllowed()).toEqual(before)
  })

  test('reaches nothing that only a developer machine serves', async () => {
    const calls = ENDPOINTS.filter(({ modes }) => !modes.includes('shared')).map(({ method, paths }) => ({
      path: paths[0] ?? '',
      ...(method !== 'GET' && { body: '{}' }),
    }))
    expect(calls.map(({ path }) => path)).toEqual(expect.arrayContaining(['/dev/support', '/dev/snapshots']))
    const before = await countAllowed()
    const seen = await page.evaluate(`(${CALL_EVERYTHING})(${JSON.stringify([door.server.url, calls])})`)
    expect(seen).toEqual(calls.flatMap(() => ['failed', 'failed']))
    expect(await countAllowed()).toEqual(before)
  })

  test('pulls nothing with an image, a script or a frame', async () => {
    const before = await countAllowed()
    const source = `${door.server.url}/authsec/uflow/sdk/delegation-token?client_id=${door.server.clientId}`
    await page.evaluate(`(${LOAD_EVERYHOW})(${JSON.stringify(source)})`)
    expect(await countAllowed()).toEqual(before)
  })

  test('gets nothing under a name that leads here', async () => {
    const before = await countAllowed()
    const { port } = new URL(door.server.url)
    const answer = await page.goto(`http://www.rebind.example:${port}/authsec/uflow/sdk/delegation-token`)
    expect(answer?.status()).toBe(421)
    const path = `/authsec/uflow/sdk/delegation-token?client_id=${door.server.clientId}`
    const status = await page.evaluate(`fetch(${JSON.stringify(path)}).then((answer) => answer.status)`)
    expect(status).toBe(421)
    expect(await countAllowed()).toEqual(before)
  })
})

// What runs in the page is text: here, the language knows no document.
const CALL_EVERYTHING = `async ([base, calls]) => {
  const seen = []
  for (const { path, body } of calls) {
    for (const mode of ['cors', 'no-cors']) {
      const method = body === undefined ? 'GET' : 'POST'
      const answer = fetch(base + path, { mode, method, body, credentials: 'include' })
      seen.push(await answer.then(({ type, status }) => type + ' ' + status, () => 'failed'))
    }
  }
  return seen
}`

const LOAD_EVERYHOW = `(source) => Promise.all(['img', 'script', 'iframe'].map((tag) => {
  const element = document.createElement(tag)
  const done = new Promise((resolve) => {
    element.onload = resolve
    element.onerror = resolve
  })
  element.src = source
  document.body.append(element)
  return done
}))`
