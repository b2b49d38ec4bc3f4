import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ALICE, type Door, openDoor } from '../server/login/door.js'
import { isChromiumMissing, launchChromium } from '../support/chromium.js'

if (isChromiumMissing) console.warn('skipped, because Chromium is not installed: the activation page')

describe.skipIf(isChromiumMissing)('the activation page in Chromium', () => {
  let browser: Browser
  let door: Door

  beforeAll(async () => {
    door = await openDoor()
    browser = await launchChromium()
  })
  beforeEach(() => door.pass(300))
  afterAll(async () => {
    await browser?.close()
    await door?.server.close()
  })

  const start = async () => (await door.post('/uflow/auth/device/code', {})).body
  const poll = async (device_code: string) =>
    (await door.post('/uflow/auth/device/token', { device_code })).body

  describe.each([
    { how: 'with scripts', javaScriptEnabled: true },
    { how: 'without scripts', javaScriptEnabled: false },
  ])('$how', ({ javaScriptEnabled }) => {
    test.each([
      { answer: 'Approve', heading: 'The device is connected', outcome: { email: ALICE } },
      { answer: 'Deny', heading: 'The device was refused', outcome: { error: 'access_denied' } },
    ])('a person says $answer by keyboard alone', async ({ answer, heading, outcome }) => {
      const { user_code, device_code } = await start()
      const context = await browser.newContext({ javaScriptEnabled })
      const page = await context.newPage()
      await page.goto(`${door.server.url}/activate`)

      await tabTo(page, 'Code shown on the device')
      await page.keyboard.type(user_code)
      await tabTo(page, 'E-mail address')
      await page.keyboard.type(ALICE)
      await tabTo(page, 'Password')
      await page.keyboard.type(door.passwords[ALICE] ?? '')
      await tabTo(page, 'Continue')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Let this device log in?' }).waitFor()
      expect(await page.locator('.code').textContent()).toBe(user_code)

      await tabTo(page, answer)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: heading }).waitFor()
      expect(await poll(device_code)).toMatchObject(outcome)
      await context.close()
    })
  })

  test('names every field, and says aloud what went wrong', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(`${door.server.url}/activate?user_code=AAAA-AAAA`)
    expect(await page.getByLabel('Code shown on the device').inputValue()).toBe('AAAA-AAAA')
    await page.getByLabel('E-mail address').fill(ALICE)
    await page.getByLabel('Password').fill(door.passwords[ALICE] ?? '')
    await page.getByRole('button', { name: 'Continue' }).click()
    expect(await page.getByRole('alert').textContent()).toContain('No device waits for this code')
    expect(await page.title()).toMatch(/^Error: /)
    // The style got past the policy: the alert has its border.
    const border = "getComputedStyle(document.querySelector('[role=alert]')).borderTopWidth"
    expect(await page.evaluate(border)).toBe('2px')
    expect(complaints.filter((text) => /Content Security Policy/.test(text))).toEqual([])
    await context.close()
  })

  test('opens from a link of another site, and is shown in none of its frames', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.setContent(
      `<a href="${door.server.url}/activate">link</a><iframe src="${door.server.url}/activate"></iframe>`,
    )
    const frame = page.frames().find((candidate) => candidate !== page.mainFrame())
    await frame?.waitForLoadState().catch(() => undefined)
    expect(await frame?.locator('input').count()).toBe(0)
    await page.getByRole('link', { name: 'link' }).click()
    await page.getByRole('heading', { name: 'Connect a device' }).waitFor()
    await context.close()
  })
})

// What runs in the page is text: here, the language knows no document.
const FOCUSED = '(document.activeElement.labels?.[0] ?? document.activeElement).textContent'

/** Presses Tab until the control of that name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate(FOCUSED)
    if (focused === name) return
  }
  throw new Error(`no Tab leads to ${name}`)
}
