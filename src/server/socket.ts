import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { getRequestListener, RequestError } from '@hono/node-server'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { App } from './app.js'
import { answerFailure, answerMalformed, findHostFault, writeMalformed } from './malformed.js'

/** A port that is taken, and answers once it is told how. */
export interface Socket {
  /** Where it listens. */
  readonly url: string
  /** Answers with the app from now on; what came before has waited for it. */
  serve(app: App): void
  /** Lets what is under way end, for a while, and frees the port. */
  close(): Promise<void>
}

/** How long an answer that is under way is waited for when the port is given back. */
const ANSWER_MS = 10_000
/** How long a connection is waited for over which no answer is under way. */
const IDLE_MS = 1_000

/** A request and its answer, until that has been sent. */
interface Exchange {
  incoming: IncomingMessage
  outgoing: ServerResponse
}
/** A connection over which nothing moves for so long is cut: its reader has stopped. */
const STILL_MS = 60_000

/**
 * Takes a port. The app has to know its own URL, so the port comes first. Throws `port_in_use`, and `usage` for
 * an address that this machine does not have.
 */
export async function openSocket(
  port: number,
  host: string,
  stopping: AbortSignal,
  stillMs: number = STILL_MS,
): Promise<Socket> {
  let serve: (app: App) => void = () => {}
  const ready = new Promise<App>((resolve) => {
    serve = resolve
  })
  const underWay = new Set<Exchange>()
  const answer = getRequestListener(
    async (request, { incoming }) => {
      const response = await (await ready)(request, { ip: incoming.socket.remoteAddress })
      // A connection that is kept alive would hold up the end of the server.
      if (stopping.aborted) response.headers.set('connection', 'close')
      return response
    },
    { errorHandler: (error) => answerFailure(error instanceof RequestError) },
  )
  // Without them a missing host would be refused without a word, and the second of two be dropped.
  const options = { requireHostHeader: false, joinDuplicateHeaders: true }
  const server = createServer(options, (incoming, outgoing) => {
    const fault = findHostFault(incoming)
    if (fault !== undefined) return writeMalformed(outgoing, fault)
    const exchange = { incoming, outgoing }
    underWay.add(exchange)
    outgoing.once('close', () => underWay.delete(exchange))
    void answer(incoming, outgoing)
  })
  answerMalformed(server, (socket) => {
    const first = [...underWay].find(({ incoming }) => incoming.socket === socket)
    return first && { isHead: first.incoming.method === 'HEAD', hasBegun: first.outgoing.headersSent }
  })
  server.setTimeout(stillMs)
  const url = await takePort(server, port, host)
  return { url, serve, close: () => closeServer(server, underWay) }
}

function takePort(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explainListenFailure(error, port, host)))
    server.listen(port, host, () => {
      const address = server.address()
      const actual = typeof address === 'object' && address !== null ? address.port : port
      resolve(`http://${isIPv6(host) ? `[${host}]` : host}:${actual}`)
    })
  })
}

function explainListenFailure(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') {
    return new AuthsecError('port_in_use', `port ${port} on ${host} is in use`, {
      hint: 'Stop what uses it, or let --port 0 pick a free one.',
      cause: error,
    })
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL' || error.code === 'ERR_SOCKET_BAD_PORT') {
    return new AuthsecError('usage', `cannot listen on port ${port} of ${quote(host)} (${error.code})`, {
      cause: error,
    })
  }
  return error
}

async function closeServer(server: Server, underWay: ReadonlySet<Exchange>): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  const end = performance.now() + ANSWER_MS
  const looks = setInterval(() => {
    // Who has sent half of a request may never send the rest.
    const isAwaited = [...underWay].some(({ incoming }) => incoming.complete)
    if (isAwaited && performance.now() < end) return
    server.closeAllConnections()
  }, IDLE_MS)
  await closed
  clearInterval(looks)
}
