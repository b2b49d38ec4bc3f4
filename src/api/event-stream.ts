import { AuthsecError } from '../core/errors.js'

/** One message of a stream of server-sent events. */
export interface ServerSentEvent {
  event: string
  data: string
}

const MAX_MESSAGE_LENGTH = 4 * 1024 * 1024
const FIELD_COST = 64

/**
 * Reads server-sent events (WHATWG HTML §9.2.6), those together that come together; half a message at the end is none.
 */
export async function* readEventStream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent[]> {
  const utf8 = new TextDecoder()
  let rest = ''
  let fields: [name: string, value: string][] = []
  // Of the lines of a message that has not ended.
  let length = 0
  for await (const chunk of chunks) {
    rest += utf8.decode(chunk, { stream: true })
    // A carriage return at the end may be half of what ends a line.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    const messages: ServerSentEvent[] = []
    for (const line of lines) {
      if (line !== '') {
        fields.push(readField(line))
        // Each costs something, however short it is.
        length += line.length + FIELD_COST
      } else {
        const message = toMessage(fields)
        fields = []
        length = 0
        if (message !== undefined) messages.push(message)
      }
    }
    if (messages.length > 0) yield messages
    if (length + rest.length > MAX_MESSAGE_LENGTH) {
      throw new AuthsecError('server_error', 'a message of the stream is larger than 4 MiB', {
        retryable: false,
      })
    }
  }
}

function readField(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  if (colon === -1) return [line, '']
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
}

function toMessage(fields: readonly [name: string, value: string][]): ServerSentEvent | undefined {
  const valuesOf = (wanted: string) => fields.flatMap(([name, value]) => (name === wanted ? [value] : []))
  const data = valuesOf('data')
  if (data.length === 0) return undefined
  return { event: valuesOf('event').at(-1) ?? 'message', data: data.join('\n') }
}
