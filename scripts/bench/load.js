// A load generator that leaves the machine to the server: sockets that send the same bytes over and over, each as
// soon as its answer is there, and as little of an HTTP parser as tells where an answer ends. It shares two cores with
// what it measures, and a client that parses headers into objects would measure itself.

import { connect } from 'node:net'

const CONNECTIONS = 32

/** The bytes of a form that is posted over and over; the same headers for every server. */
export function createRequest(url, form) {
  const { host, pathname } = new URL(url)
  const body = new URLSearchParams(form).toString()
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    'Accept: application/json',
    'User-Agent: authsec-bench',
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/**
 * Sends the request from 32 keep-alive connections for so many milliseconds and returns how many answers came each
 * millisecond. Rejects at the first answer that is not 200 with a body that `isExpected`.
 */
export async function measureThroughput({ url, request, isExpected }, durationMs) {
  const { hostname, port } = new URL(url)
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(hostname, Number(port))))
  const start = performance.now()
  const isOver = () => performance.now() - start >= durationMs
  try {
    const counts = await Promise.all(sockets.map((socket) => repeat(socket, request, isExpected, isOver)))
    return counts.reduce((sum, count) => sum + count, 0) / (performance.now() - start)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

function open(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket))
    socket.setEncoding('latin1').on('error', reject)
  })
}

function repeat(socket, request, isExpected, isOver) {
  return new Promise((resolve, reject) => {
    let received = ''
    let count = 0
    socket.on('data', (chunk) => {
      received += chunk
      const body = readBody(received)
      if (body === undefined) return
      if (!received.startsWith('HTTP/1.1 200 ') || !isExpected(body)) {
        reject(new Error(`an answer that counts for nothing: ${received.slice(0, 500)}`))
        return
      }
      received = ''
      count++
      if (isOver()) resolve(count)
      else socket.write(request)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed a connection')))
    socket.write(request)
  })
}

/** The body once it is complete; of a chunked one the sizes of the chunks stay in it. */
function readBody(received) {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const body = received.slice(end + 4)
  const length = /\r\ncontent-length: *(\d+)/i.exec(received)?.[1]
  const isComplete = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length)
  return isComplete ? body : undefined
}
