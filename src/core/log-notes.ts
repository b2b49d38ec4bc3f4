import { isJsonObject, type JsonObject } from './strict-json.js'

/** What a log tells about itself while it is walked through. */
export interface LogNotes {
  /** The verifier keys that it has announced, and where. */
  keys: { index: number; text: string }[]
  prunedBelow: number
  /** Where the clock stepped back, and by how many seconds, where the record says that. */
  clockSteps: { index: number; seconds: number | undefined }[]
  /** The record of the event that is looked for. */
  found: { index: number; tokenHash: string | undefined } | undefined
}

const utf8 = new TextDecoder()

export function createLogNotes(): LogNotes {
  return { keys: [], prunedBelow: 0, clockSteps: [], found: undefined }
}

/** Takes down what some records tell, and where the one with this event id is. */
export function takeNotes(
  notes: LogNotes,
  start: number,
  records: readonly Uint8Array[],
  eventId: string | undefined,
): void {
  const wanted = eventId === undefined ? undefined : `"id":"${eventId}"`
  for (const [at, record] of records.entries()) {
    if (!isNoted(record) && !(wanted !== undefined && utf8.decode(record).includes(wanted))) continue
    const event = parseRecord(record)
    const details = isJsonObject(event?.['details']) ? event['details'] : {}
    const type = event?.['type']
    const { below, seconds } = details
    if (type === 'clock.stepped') {
      notes.clockSteps.push({ index: start + at, seconds: typeof seconds === 'number' ? seconds : undefined })
    }
    if (type === 'audit.pruned' && typeof below === 'number')
      notes.prunedBelow = Math.max(notes.prunedBelow, below)
    if (typeof type === 'string' && type.startsWith('key.'))
      notes.keys.push(...listVerifierKeys(details, start + at))
    if (eventId !== undefined && event?.['id'] === eventId) {
      const hash = event['token_hash']
      notes.found = { index: start + at, tokenHash: typeof hash === 'string' ? hash : undefined }
    }
  }
}

/** When a record was made, RFC 3339; undefined where it does not tell. */
export function timeOf(record: Uint8Array | undefined): string | undefined {
  const at = record && parseRecord(record)?.['occurred_at']
  return typeof at === 'string' ? at : undefined
}

const END = new TextEncoder().encode('","v":1}')
const TYPE = new TextEncoder().encode(',"type":"')
const QUOTE = 0x22
/** What the types begin with that are noted: `audit.pruned`, `clock.stepped`, `key.activated`. */
const NOTED: readonly (number | undefined)[] = ['a', 'c', 'k'].map((letter) => letter.charCodeAt(0))

// A record ends in its type, as its canonical form has it: of a million only a few are worth to be read for it. Any
// other form is read too.
function isNoted(record: Uint8Array): boolean {
  const end = record.length - END.length
  const start = record.lastIndexOf(QUOTE, end - 1) + 1
  const isCanonical = holds(record, END, end) && holds(record, TYPE, start - TYPE.length)
  return !isCanonical || NOTED.includes(record[start])
}

function holds(bytes: Uint8Array, part: Uint8Array, at: number): boolean {
  return part.every((byte, index) => bytes[at + index] === byte)
}

function listVerifierKeys(details: JsonObject, index: number): { index: number; text: string }[] {
  const keys = details['verifier_keys']
  if (!Array.isArray(keys)) return []
  return keys.flatMap((text) => (typeof text === 'string' ? [{ index, text }] : []))
}

function parseRecord(record: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(utf8.decode(record))
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
