import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { AuthsecError } from '../core/errors.js'
import { createAnswerHeaders } from './answer-headers.js'
import { createProblem } from './problem.js'

/** What is wrong with bytes that are no request, and the status that says it. */
interface Malformed {
  status: number
  why: string
}

/** What Node's parser says of bytes that it cannot read, and the bytes. */
interface ClientError extends NodeJS.ErrnoException {
  rawPacket?: Buffer
}

/** The request that a connection waits to see answered first. */
interface Awaited {
  isHead: boolean
  /** Whether its answer has begun: nothing can be said any more then. */
  hasBegun: boolean
}

/** Longer than every method that Node's parser knows. */
const LONGEST_METHOD = 16

/** Of the faults that Node's parser tells apart; every other is 400. */
const FAULTS: Readonly<Record<string, Malformed>> = {
  HPE_HEADER_OVERFLOW: { status: 431, why: 'the request line and the headers are larger than 16 KiB' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, why: 'the extensions of a chunk are larger than 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, why: 'the request took too long to arrive' },
}

const NOT_HTTP: Malformed = { status: 400, why: 'the request is not HTTP/1.1' }

/**
 * Answers what never becomes a request: each in JSON as everything else is refused, over a connection that is closed,
 * because nobody knows where the next request would begin. Node's own answers have no body.
 */
export function answerMalformed(server: Server, findAwaited: (socket: Duplex) => Awaited | undefined): void {
  server.on('clientError', (error: ClientError, socket) => {
    const malformed = FAULTS[error.code ?? ''] ?? NOT_HTTP
    const { isHead, hasBegun } = findAwaited(socket) ?? { isHead: mayBeHead(error), hasBegun: false }
    // To a HEAD nobody expects a body: its bytes would be the head of the next answer.
    endWith(hasBegun ? undefined : toBytes(malformed, { hasBody: !isHead }), socket)
  })
  server.on('connect', (_request, socket) => {
    endWith(toBytes({ status: 405, why: 'CONNECT is not served here' }), socket)
  })
  server.on('checkExpectation', (_request, outgoing) => {
    writeMalformed(outgoing, { status: 417, why: 'nothing but 100-continue can be expected' })
  })
}

/** What is wrong with the `Host` of a request, RFC 9112 §3.2; Node joins one that stands twice. */
export function findHostFault({ headers: { host } }: IncomingMessage): Malformed | undefined {
  if (host === undefined) return { status: 400, why: 'the request has no Host header' }
  return host.includes(',') ? { status: 400, why: 'the Host header stands twice' } : undefined
}

/** What answers where the app could not be asked, or has failed by surprise. */
export function answerFailure(isMalformed: boolean): Response {
  const { status, headers, body } = describe(
    isMalformed
      ? { status: 400, why: 'the target and the host make no URL' }
      : { status: 500, why: 'internal error' },
  )
  return new Response(body, { status, headers })
}

/** Answers a request that was parsed, and is none all the same. */
export function writeMalformed(outgoing: ServerResponse, malformed: Malformed): void {
  const { status, headers, body } = describe(malformed)
  outgoing.writeHead(status, headers).end(body)
}

/** Whether a HEAD may have been meant: of what came in pieces the parser tells the last, which names no method. */
function mayBeHead({ code, rawPacket }: ClientError): boolean {
  if (code === 'HPE_INVALID_METHOD') return false
  const start = rawPacket?.toString('latin1', 0, LONGEST_METHOD) ?? ''
  return start.startsWith('HEAD ') || !/^[A-Z]+ /.test(start)
}

function toBytes(malformed: Malformed, { hasBody = true } = {}): string {
  const { status, headers, body } = describe(malformed)
  const { 'content-length': length, ...others } = headers
  const lines = Object.entries(hasBody ? headers : others).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${hasBody ? body : ''}`
}

function describe({ status, why }: Malformed): {
  status: number
  headers: Record<string, string>
  body: string
} {
  const requestId = randomUUID()
  const error = new AuthsecError('invalid_request', why)
  const body = JSON.stringify(createProblem(error, 'authsec', { status, text: why, requestId }))
  const headers = {
    'content-type': 'application/json',
    'content-length': `${Buffer.byteLength(body)}`,
    connection: 'close',
    ...createAnswerHeaders(requestId),
    // RFC 9110 §15.5.6: what is allowed instead, which for a tunnel is nothing.
    ...(status === 405 && { allow: '' }),
  }
  return { status, headers, body }
}

/** Ends a connection, once what there is to say has left. */
function endWith(answer: string | undefined, socket: Duplex): void {
  // Whoever hangs up meanwhile is no fault of this server; of a tunnel Node listens to nothing any more.
  socket.on('error', () => {})
  if (answer !== undefined && socket.writable) socket.end(answer, () => socket.destroy())
  else socket.destroy()
}
