import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

const RESOURCE = {
  /** The address that names the API, as its tokens carry it in `aud`. */
  uri: 'text',
  /** What its tokens may carry. */
  permissions: 'texts',
  /** RFC 3339. */
  created_at: 'text?',
} as const

/** An API that accepts call tokens, and the permissions they may carry there. */
export type Resource = Shaped<typeof RESOURCE>

const PATH = '/admin/resources'

/** Registers an API by its URI; throws `conflict` when it is registered already. */
export async function createResource(
  target: ApiTarget,
  uri: string,
  permissions: readonly string[],
): Promise<Resource> {
  const body = await callServer(target, {
    method: 'POST',
    path: PATH,
    session: 'required',
    json: { uri, permissions },
    explain: ({ status }) =>
      status === 409
        ? {
            code: 'conflict',
            message: `the resource ${uri} exists already`,
            hint: 'See authsec resource list.',
          }
        : undefined,
  })
  return readShape(body, RESOURCE, 'resource')
}

/** Every registered API. */
export async function listResources(target: ApiTarget): Promise<Resource[]> {
  const body = await callServer(target, { method: 'GET', path: PATH, session: 'required' })
  return readShapes(body, RESOURCE, 'resource')
}

/** Reads one registered API; throws `not_found`. */
export async function findResource(target: ApiTarget, uri: string): Promise<Resource> {
  const body = await callServer(target, {
    method: 'GET',
    path: resourcePath(uri),
    session: 'required',
    explain: explainMissing(uri),
  })
  return readShape(body, RESOURCE, 'resource')
}

/** Deletes an API, for which no token is issued from then on; throws `not_found`. */
export async function deleteResource(target: ApiTarget, uri: string): Promise<void> {
  const body = await callServer(target, {
    method: 'DELETE',
    path: resourcePath(uri),
    session: 'required',
    explain: explainMissing(uri),
  })
  readShape(body, { uri: 'text' }, 'answer')
}

function explainMissing(uri: string): (refusal: Refusal) => Explanation | undefined {
  return ({ status, error }) =>
    status === 404 && /resource/i.test(error)
      ? { code: 'not_found', message: `no resource ${uri}`, hint: 'See authsec resource list.' }
      : undefined
}

function resourcePath(uri: string): string {
  return `${PATH}/${encodeURIComponent(uri)}`
}
