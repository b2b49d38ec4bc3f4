/** How long a browser may remember the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600

/** Answers the preflight of a page that may read this server, CORS protocol of the Fetch standard §3.2. */
export function answerPreflight(request: Request, origins: readonly string[]): Response | undefined {
  const origin = request.headers.get('origin')
  const isPreflight = request.method === 'OPTIONS' && request.headers.has('access-control-request-method')
  if (!isPreflight || origin === null || !origins.includes(origin)) return undefined
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': 'authorization, content-type, x-client-id, idempotency-key',
      'access-control-max-age': String(PREFLIGHT_SECONDS),
      ...describeAccess(origin),
    },
  })
}

/** Lets the page that asked read the answer, if it is one of those that may. Never with cookies. */
export function allowReading(request: Request, response: Response, origins: readonly string[]): void {
  const origin = request.headers.get('origin')
  if (origin === null || !origins.includes(origin)) return
  for (const [name, value] of Object.entries(describeAccess(origin))) response.headers.set(name, value)
}

function describeAccess(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'x-request-id, retry-after, www-authenticate',
    vary: 'Origin',
  }
}
