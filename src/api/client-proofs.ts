import type { JsonObject } from '../core/strict-json.js'
import { readShape, type Shaped } from './answer.js'
import { CLIENT, type Client, explainMissingClient } from './clients.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

/**
 * Lets a client prove itself by one of these public keys from then on. Throws `client_not_found`, `invalid_request` for
 * keys that are refused, and `conflict` for a server that does not offer it, as AuthSec's own do not.
 */
export async function setClientKeys(target: ApiTarget, id: string, jwks: JsonObject): Promise<Client> {
  const body = await callServer(target, {
    method: 'PUT',
    path: `/admin/clients/${encodeURIComponent(id)}/jwks`,
    session: 'required',
    json: jwks,
    explain: explainAbsence(target, id, 'takes no keys of clients'),
  })
  return readShape(body, CLIENT, 'client')
}

const ROTATION = { client_id: 'text', client_secret: 'text', former_secret_expires_at: 'text?' } as const

/** A client's new secret, and until when the former one is good. */
export type Rotation = Shaped<typeof ROTATION>

/**
 * Gives a client another secret; the former one stays good for `overlapSeconds`. Throws `client_not_found`, and
 * `conflict` for a client without a secret and for a server that does not offer it, as AuthSec's own do not.
 */
export async function rotateClientSecret(
  target: ApiTarget,
  id: string,
  overlapSeconds: number,
): Promise<Rotation> {
  const body = await callServer(target, {
    method: 'POST',
    path: `/admin/clients/${encodeURIComponent(id)}/rotate-secret`,
    session: 'required',
    json: { overlap_seconds: overlapSeconds },
    explain: explainAbsence(target, id, 'rotates no secrets'),
  })
  return readShape(body, ROTATION, 'new secret')
}

// What a server has never heard of is 404 as well, in other words.
function explainAbsence(
  { serverUrl }: ApiTarget,
  id: string,
  what: string,
): (refusal: Refusal) => Explanation | undefined {
  return (refusal) =>
    refusal.status === 404 && !/client/i.test(refusal.error)
      ? { code: 'conflict', message: `${serverUrl} ${what}` }
      : explainMissingClient(id)(refusal)
}
