import type { HttpRefusal } from './bearer.js'
import { parseBody } from './call-fields.js'
import type { IncomingRequest } from './guard.js'

/** Shows a request of the Web. Its body remains to be read: what is read here is a copy. */
export function showWebRequest(request: Request): IncomingRequest {
  const authorization = request.headers.get('authorization')
  return {
    authorization: authorization === null ? [] : [authorization],
    path: () => ({}),
    query: () => new URL(request.url).searchParams,
    async body() {
      if (request.bodyUsed) throw new TypeError('the body was read before requireDelegation')
      const { body } = request.clone()
      return body === null ? undefined : parseBody(readChunks(body))
    },
  }
}

/** A refusal as a response of the Web. */
export function toResponse({ status, headers, body }: HttpRefusal): Response {
  return new Response(JSON.stringify(body), { status, headers })
}

// Not every runtime lets a stream be iterated.
async function* readChunks(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } finally {
    // A copy that is given up early must not hold back the original, so nobody waits for it.
    reader.cancel().catch(() => {})
  }
}
