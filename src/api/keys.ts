import { isJsonObject } from '../core/strict-json.js'
import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'

const CHANGE = {
  kid: 'text',
  /** What it signs: `call`, `base` and `session` tokens, or the `audit` log. */
  purpose: 'text',
  /** `ES256`, `RS256` or `EdDSA`. */
  alg: 'text',
  /** `prepared`, `active`, `retiring`, `retired`, `tainted` or `revoked`. */
  state: 'text',
} as const
const KEY = {
  ...CHANGE,
  /** RFC 3339. */
  created_at: 'text',
  /** Since when every server has published it, RFC 3339; absent while one may not have. */
  published_at: 'text?',
  /** Since when it signs or did, RFC 3339. */
  activated_at: 'text?',
  /** When it signed last or would have, RFC 3339. */
  stopped_at: 'text?',
  /**
   * Its next step, RFC 3339: from when a prepared key may sign, and until when the server keeps an active one or
   * publishes one that signs no more; absent where nobody knows yet, or only a person decides.
   */
  due_at: 'text?',
} as const
const LIVE_TOKEN = {
  jti: 'text',
  /** The type of the event in which it was issued. */
  type: 'text',
  /** The client that has it. */
  client_id: 'text?',
  /** For whom. */
  subject: 'text?',
  /** RFC 3339; absent where the log does not say. */
  expires_at: 'text?',
} as const

/** A key that signs, did or will. */
export type SigningKeyInfo = Shaped<typeof KEY>

/** A key that has changed, and what it is now. */
export type KeyChange = Shaped<typeof CHANGE>

/** A token that a key signed and that has not expired. */
export type LiveToken = Shaped<typeof LIVE_TOKEN>

/** A key that is out of use at once, and the tokens that it signed, of which the newest may be left out. */
export interface KeyEmergency {
  changed: KeyChange[]
  /** In the order of the log. */
  live_tokens: LiveToken[]
  /** How many there are, also those that are left out. */
  live_tokens_total: number
}

/** The keys of one purpose; where it has several algorithms, of one of them. */
export interface KeyPlace {
  purpose: string
  alg?: string | undefined
}

/** Every key that the server has or had, oldest first. */
export async function listKeys(target: ApiTarget): Promise<SigningKeyInfo[]> {
  const body = await callServer(target, { method: 'GET', path: '/admin/keys', session: 'required' })
  return readShapes(body, KEY, 'key')
}

/** Makes and publishes the next key; throws `conflict` where one is prepared. */
export function prepareKey(target: ApiTarget, place: KeyPlace): Promise<KeyChange[]> {
  return change(target, 'prepare', place)
}

/** Lets the prepared key sign; throws `conflict` where it may not yet. */
export function rotateKeys(target: ApiTarget, place: KeyPlace): Promise<KeyChange[]> {
  return change(target, 'rotate', place)
}

/** Lets a key sign; throws `not_found`, and `conflict` where it may not yet. */
export function activateKey(target: ApiTarget, kid: string): Promise<KeyChange[]> {
  return change(target, `${encodeURIComponent(kid)}/activate`, {})
}

/** Takes a key out of use at once; throws `not_found`, and `conflict` where it is out of use already. */
export async function condemnKey(
  target: ApiTarget,
  kid: string,
  verb: 'taint' | 'revoke',
): Promise<KeyEmergency> {
  const body = await send(target, `${encodeURIComponent(kid)}/${verb}`, {})
  const { live_tokens_total } = readShape(body, { live_tokens_total: 'number' }, 'change of keys')
  return {
    changed: readShapes(body['changed'], CHANGE, 'key'),
    live_tokens: readShapes(body['live_tokens'], LIVE_TOKEN, 'token'),
    live_tokens_total,
  }
}

async function change(target: ApiTarget, path: string, json: object): Promise<KeyChange[]> {
  const body = await send(target, path, json)
  return readShapes(body['changed'], CHANGE, 'key')
}

async function send(target: ApiTarget, path: string, json: object) {
  const body = await callServer(target, {
    method: 'POST',
    path: `/admin/keys/${path}`,
    session: 'required',
    json,
    // The log may be long, and a list of what is alive is worth the wait.
    timeoutMs: 60_000,
  })
  return isJsonObject(body) ? body : {}
}
