import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const executablePath = CANDIDATES.find((path) => existsSync(path))

/** Whether tests that drive a browser are left out; on CI they fail instead. */
export const isChromiumMissing: boolean = executablePath === undefined && !process.env['CI']

/** Starts a real browser; a name under `rebind.example` leads to this machine, as a hostile resolver would have it. */
export async function launchChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(`no Chromium at ${CANDIDATES.join(', ')}`)
  return chromium.launch({
    executablePath,
    // A sandbox of its own needs rights that a container seldom gives; what is opened here is ours.
    args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP *.rebind.example 127.0.0.1'],
  })
}
