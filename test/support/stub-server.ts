/** What a stub answers: an object is sent as JSON with 200, anything else is a response of its own. */
type Answer = object | Response | Error

/** A server of canned answers, keyed by method and path; a list is answered one after the other. */
export interface StubServer {
  fetch: typeof fetch
  /** Every request so far. */
  calls: { method: string; path: string; query: URLSearchParams; headers: Headers; body: string }[]
}

/** Answers as the routes say; an unknown path is a 404 as AuthSec sends it. */
export function stubServer(
  routes: Readonly<Record<string, Answer | readonly Answer[] | ((body: string) => Answer)>>,
): StubServer {
  const calls: StubServer['calls'] = []
  const counts = new Map<string, number>()
  return {
    calls,
    async fetch(input, init) {
      const request = new Request(input as string, init)
      const { pathname, searchParams } = new URL(request.url)
      const body = await request.text()
      const key = `${request.method} ${pathname}`
      calls.push({
        method: request.method,
        path: pathname,
        query: searchParams,
        headers: request.headers,
        body,
      })
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      const route = routes[key]
      if (route === undefined) return Response.json({ error: `Not found: ${key}` }, { status: 404 })
      const answer =
        typeof route === 'function'
          ? route(body)
          : Array.isArray(route)
            ? route.at(Math.min(count, route.length - 1))
            : route
      if (answer instanceof Error) throw answer
      return answer instanceof Response ? await copyResponse(answer) : Response.json(answer)
    },
  }
}

// Not clone() alone: cancelling one of two branches of a body waits for the other one.
async function copyResponse(response: Response): Promise<Response> {
  const { status, headers } = response
  return new Response(await response.clone().text(), { status, headers })
}

/** An answer of AuthSec's with this status. */
export function answer(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers })
}

/** No connection, as fetch reports it. */
export function noConnection(): Error {
  return new TypeError('fetch failed', {
    cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
  })
}

export const TENANT = '7a0f4f5e-0a52-4a5e-9b62-6f1c6f5d0a01'
export const CLIENT_ID = '0c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10'

/** An environment that names a server and carries an admin session. */
export const ADMIN: Readonly<Record<string, string>> = {
  AUTHSEC_SERVER: 'http://127.0.0.1:7468',
  AUTHSEC_TENANT: TENANT,
  AUTHSEC_TOKEN: 'admin-session',
}
