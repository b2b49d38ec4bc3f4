// A load generator that leaves the machine to the server: sockets that send the same bytes over and over, each as
// soon as its answer is there, and as little of an HTTP parser as tells where an answer ends. It shares two cores with
// what it measures, and a client that parses headers into objects would measure itself.

import { connect } from 'node:net'

const CONNECTIONS = 32
const ROUNDS = 9
const ROUND_MS = 1_500
const WARM_UP_MS = 3_000

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
 * Loads the targets in turn, round by round, after each has been warmed up. Returns for each of them what the rounds
 * gave: `throughput` in answers a millisecond, `p50` and `p99` of the milliseconds that an answer took.
 */
export async function measureInTurn(targets) {
  for (const target of targets) await load(target, WARM_UP_MS)
  const series = targets.map(() => ({ throughput: [], p50: [], p99: [] }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, target] of targets.entries()) {
      const { throughput, durations } = await load(target, ROUND_MS)
      series[index].throughput.push(throughput)
      series[index].p50.push(quantile(durations, 0.5))
      series[index].p99.push(quantile(durations, 0.99))
    }
  }
  return series
}

/** Loads the targets at the same time, with as many connections in all as one has alone; says how many answers came. */
export async function loadTogether(targets, durationMs) {
  const loads = targets.map((target) => load(target, durationMs, CONNECTIONS / targets.length))
  const results = await Promise.all(loads)
  return { count: results.reduce((sum, { durations }) => sum + durations.length, 0) }
}

/**
 * Sends the request from 32 keep-alive connections for so many milliseconds. Rejects at the first answer that is not
 * `status`, 200 unless it is said, with a body that `isExpected`. `onAnswer` is told each body, and when it was asked
 * for.
 */
export async function load(
  { url, request, status = 200, isExpected, onAnswer },
  durationMs,
  connections = CONNECTIONS,
) {
  const { hostname, port } = new URL(url)
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(hostname, Number(port))))
  const durations = []
  const start = performance.now()
  const isOver = () => performance.now() - start >= durationMs
  try {
    await Promise.all(
      sockets.map((socket) => repeat(socket, request, { status, isExpected, isOver, durations, onAnswer })),
    )
    return { throughput: durations.length / (performance.now() - start), durations }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.floor((sorted.length - 1) * share)]
}

function open(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket))
    socket.setEncoding('latin1').on('error', reject)
  })
}

function repeat(socket, request, { status, isExpected, isOver, durations, onAnswer }) {
  return new Promise((resolve, reject) => {
    let received = ''
    let sent = performance.now()
    socket.on('data', (chunk) => {
      received += chunk
      const body = readBody(received)
      if (body === undefined) return
      if (!received.startsWith(`HTTP/1.1 ${status} `) || !isExpected(body)) {
        reject(new Error(`an answer that counts for nothing: ${received.slice(0, 500)}`))
        return
      }
      received = ''
      const now = performance.now()
      durations.push(now - sent)
      onAnswer?.(body, sent)
      sent = now
      if (isOver()) resolve()
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
