// Follows the audit log of a server, with as little of a reader of server-sent events as tells its events.

import { get } from 'node:http'

/**
 * Tells every event as it comes; resolves once the stream has begun. `caughtUp` waits until all that is there has come.
 */
export async function followEvents({ url, admin_token }, onEvent) {
  const headers = { authorization: `Bearer ${admin_token}` }
  let seen = -1
  let rest = ''
  const readFrame = (frame) => {
    const data = /^data: (.*)$/m.exec(frame)?.[1]
    if (data === undefined) return
    const { seq, event, next } = JSON.parse(data)
    seen = seq ?? next
    if (event !== undefined) onEvent(event)
  }
  const stream = await new Promise((resolve, reject) => {
    get(`${url}/audit/events/stream`, { headers, agent: false }, resolve).on('error', reject)
  })
  if (stream.statusCode !== 200) throw new Error(`the stream was answered ${stream.statusCode}`)
  stream.setEncoding('utf8').on('data', (chunk) => {
    const frames = (rest + chunk).split('\n\n')
    rest = frames.pop()
    for (const frame of frames) readFrame(frame)
  })
  // It is cut off in the end.
  stream.on('error', () => {})
  return {
    async caughtUp() {
      const { next } = await (await fetch(`${url}/audit/events?last=0`, { headers })).json()
      while (seen < next) await new Promise((resolve) => stream.once('data', resolve))
    },
    /** Stops reading, and leaves the connection open. */
    pause: () => stream.pause(),
    close: () => stream.destroy(),
  }
}
