import { join } from 'node:path'
import { readShape, unexpected } from '../api/answer.js'
import type { DeviceCode } from '../api/login.js'
import { AuthsecError } from '../core/errors.js'
import { GENERATIONS } from '../core/generation.js'
import { CONFIG_ELSEWHERE, readJsonFile } from './config.js'
import type { LoginPlace } from './login-place.js'
import { writePrivateFile } from './private-file.js'

/** A login that waits for a person elsewhere. Whoever has the device code gets the session. */
export interface PendingLogin extends LoginPlace {
  deviceCode: string
  userCode: string
  /** Where the code is typed, and the same with the code filled in. */
  page: string
  link: string
  /** Milliseconds since the epoch. */
  expiresAt: number
  /** How long to wait between two questions, in seconds. */
  interval: number
}

const LONGEST_LIFE = 1_800
const DEFAULT_INTERVAL = 5

const WIRE = {
  profile: 'text',
  server_url: 'text',
  generation: 'text',
  device_code: 'text',
  user_code: 'text',
  page: 'text',
  link: 'text',
  expires_at: 'number',
  interval: 'number',
} as const

/** What a server's answer means; throws `server_error` for a link that no browser should open. */
export function startPending(place: LoginPlace, code: DeviceCode, nowMs: number): PendingLogin {
  const page = readLink(code.verification_uri)
  const filled = code.verification_uri_complete
  return {
    ...place,
    deviceCode: code.device_code,
    userCode: code.user_code.slice(0, 40),
    page: page.href,
    // The code goes along only to the page that asks for it.
    link: filled !== undefined && readLink(filled).origin === page.origin ? readLink(filled).href : page.href,
    expiresAt: nowMs + within(code.expires_in, 1, LONGEST_LIFE) * 1000,
    interval: within(code.interval ?? DEFAULT_INTERVAL, 1, 60),
  }
}

/** Keeps a pending login in a file that only its owner can read (0600), so that no command line has to. */
export async function keepPending(directory: string, pending: PendingLogin): Promise<void> {
  const { profile, serverUrl, generation, deviceCode, userCode, page, link, expiresAt, interval } = pending
  const text = JSON.stringify({
    profile,
    server_url: serverUrl,
    generation,
    device_code: deviceCode,
    user_code: userCode,
    page,
    link,
    expires_at: expiresAt,
    interval,
  })
  await writePrivateFile(pathOf(directory), `${text}\n`, CONFIG_ELSEWHERE)
}

/** The login that was begun last; throws `usage` when there is none. */
export async function readPending(directory: string): Promise<PendingLogin> {
  const content = await readJsonFile(pathOf(directory))
  if (content === undefined) {
    throw new AuthsecError('usage', 'no login has been begun', {
      hint: 'Begin one with authsec login --non-interactive.',
    })
  }
  const stored = readShape(content, WIRE, 'pending login')
  return {
    profile: stored.profile,
    serverUrl: stored.server_url,
    generation: GENERATIONS.find((generation) => generation === stored.generation) ?? 'A',
    deviceCode: stored.device_code,
    userCode: stored.user_code,
    page: stored.page,
    link: stored.link,
    expiresAt: stored.expires_at,
    interval: stored.interval,
  }
}

/** Forgets the pending login. */
export async function dropPending(directory: string): Promise<void> {
  const { rm } = await import('node:fs/promises')
  await rm(pathOf(directory), { force: true })
}

function pathOf(directory: string): string {
  return join(directory, 'pending-login.json')
}

function readLink(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && ['https:', 'http:'].includes(url.protocol)) return url
  throw unexpected('the link is no web address')
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
