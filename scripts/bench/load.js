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

/**
 * Loads the targets at the same time, with as many connections in all as one has alone; says how many answers came.
 * With `perSecond` so many requests are sent in all, and it rejects where the targets do not keep up.
 */
export async function loadTogether(targets, durationMs, perSecond) {
  const loads = targets.map((target) =>
    load(target, durationMs, CONNECTIONS / targets.length, perSecond && perSecond / targets.length),
  )
  const results = await Promise.all(loads)
  const count = results.reduce((sum, { durations }) => sum + durations.length, 0)
  if (count < 0.95 * (perSecond ?? 0) * (durationMs / 1_000)) {
    throw new Error(`${count} answers in ${durationMs} ms: too few for ${perSecond} a second`)
  }
  return { count }
}

/**
 * Sends the request from 32 keep-alive connections for so many milliseconds. Rejects at the first answer that is not
 * `status`, 200 unless it is said, with a body that `isExpected`. `onAnswer` is told each body, and when it was asked
 * for. With `perSecond` a connection waits until its next request is due.
 */
export async function load(
  { url, request, status = 200, isExpected, onAnswer },
  durationMs,
  connections = CONNECTIONS,
  perSecond = undefined,
) {
  const { hostname, port } = new URL(url)
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(hostname, Number(port))))
  const durations = []
  const start = performance.now()
  const isOver = () => performance.now() - start >= durationMs
  const pace = perSecond === undefined ? UNPACED : createPace(perSecond)
  try {
    await Promise.all(
      sockets.map((socket) =>
        repeat(socket, request, { status, isExpected, isOver, pace, durations, onAnswer }),
      ),
    )
    return { throughput: durations.length / (performance.now() - start), durations }
  } finally {
    pace.stop()
    for (const socket of sockets) socket.destroy()
  }
}

/** Every request as soon as it can be sent. */
const UNPACED = { wait: (send) => send(), stop() {} }

/** So many requests a second, whatever the answers take. */
function createPace(perSecond) {
  const waiting = []
  const start = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - start) * perSecond) / 1_000)
    for (; sent < due && waiting.length > 0; sent++) waiting.shift()()
  }, 1)
  return { wait: (send) => waiting.push(send), stop: () => clearInterval(timer) }
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

function repeat(socket, request, { status, isExpected, isOver, pace, durations, onAnswer }) {
  return new Promise((resolve, reject) => {
    let received = ''
    let sent
    const send = () => {
      if (isOver()) return resolve()
      sent = performance.now()
      socket.write(request)
    }
    socket.on('data', (chunk) => {
      received += chunk
      const body = readBody(received)
      if (body === undefined) return
      if (!received.startsWith(`HTTP/1.1 ${status} `) || !isExpected(body)) {
        reject(new Error(`an answer that counts for nothing: ${received.slice(0, 500)}`))
        return
      }
      received = ''
      durations.push(performance.now() - sent)
      onAnswer?.(body, sent)
      pace.wait(send)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed a connection')))
    pace.wait(send)
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
