import { expect, test } from 'vitest'
import { readEventStream } from '../../src/api/event-stream.js'

/** Sends the same bytes for ever, and counts them. */
function repeat(text: string) {
  const chunk = new TextEncoder().encode(text)
  const sent = { bytes: 0 }
  async function* chunks() {
    for (; sent.bytes < 64 * 1024 * 1024; sent.bytes += chunk.length) yield chunk
  }
  return { sent, chunks: chunks() }
}

test.each([
  { what: 'that has no end of a line', text: 'x'.repeat(64 * 1024) },
  { what: 'that has no end', text: `data: ${'x'.repeat(1000)}\n`.repeat(64) },
  { what: 'of nothing but short lines', text: ':\n'.repeat(32 * 1024) },
])('a message $what is read no further than memory is allowed', async ({ text }) => {
  const { sent, chunks } = repeat(text)
  await expect(readEventStream(chunks).next()).rejects.toMatchObject({
    code: 'server_error',
    retryable: false,
  })
  expect(sent.bytes).toBeLessThan(5 * 1024 * 1024)
})

test('messages together are as long as they like', async () => {
  const { chunks } = repeat(`data: ${'x'.repeat(512 * 1024)}\n\n`.repeat(16))
  expect((await readEventStream(chunks).next()).value).toHaveLength(16)
})
