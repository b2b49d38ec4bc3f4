import { describe, expect, test } from 'vitest'
import { createEnvelope } from '../../src/authority/envelope.js'

const KEK = new Uint8Array(32).fill(1)
const PLACE = { table: 'keys', row: 'k1', purpose: 'call key' }
const PLAIN = Buffer.from('{"kty":"EC","d":"a private key"}')

describe('an envelope', () => {
  const envelope = createEnvelope(KEK, 'store')

  test.each([
    { what: 'text', plain: PLAIN },
    { what: 'nothing', plain: Buffer.alloc(0) },
    { what: 'bytes that are no text', plain: Buffer.from([0, 255, 128, 0]) },
  ])('gives back $what', ({ plain }) => {
    expect(Buffer.from(envelope.open(envelope.seal(plain, PLACE), PLACE))).toEqual(plain)
  })

  test('shows nothing of what it holds, and never seals the same way twice', () => {
    const [first, second] = [envelope.seal(PLAIN, PLACE), envelope.seal(PLAIN, PLACE)]
    expect(Buffer.from(first).includes('private')).toBe(false)
    expect(first).not.toEqual(second)
    // The IV: used twice with one key, AES-GCM gives both plain texts away.
    expect(first.slice(2, 14)).not.toEqual(second.slice(2, 14))
  })

  test('refuses every single flipped bit', () => {
    const sealed = envelope.seal(PLAIN, PLACE)
    const opened = Array.from({ length: sealed.length * 8 }, (_, bit) => {
      const altered = Uint8Array.from(sealed)
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      return isOpened(() => envelope.open(altered, PLACE))
    })
    expect(opened).toHaveLength((2 + 12 + 16 + PLAIN.length) * 8)
    expect(opened).not.toContain(true)
  })

  test('refuses every cut, and anything appended', () => {
    const sealed = envelope.seal(PLAIN, PLACE)
    const cuts = Array.from({ length: sealed.length }, (_, length) =>
      isOpened(() => envelope.open(sealed.subarray(0, length), PLACE)),
    )
    expect(cuts).not.toContain(true)
    expect(isOpened(() => envelope.open(Buffer.concat([sealed, Buffer.of(0)]), PLACE))).toBe(false)
  })

  test.each([
    { what: 'table', place: { ...PLACE, table: 'delegations' } },
    { what: 'row', place: { ...PLACE, row: 'k2' } },
    { what: 'purpose', place: { ...PLACE, purpose: 'base key' } },
    { what: 'boundary between two fields', place: { table: 'keysk', row: '1', purpose: 'call key' } },
  ])('opens nowhere else: another $what', ({ place }) => {
    const sealed = envelope.seal(PLAIN, PLACE)
    expect(() => envelope.open(sealed, place)).toThrow(expect.objectContaining({ code: 'state_unreadable' }))
  })

  test('opens in no other store', () => {
    const sealed = envelope.seal(PLAIN, PLACE)
    expect(isOpened(() => createEnvelope(KEK, 'another').open(sealed, PLACE))).toBe(false)
  })

  test('does not open under another key, nor under the same one of another version, and says what it is', () => {
    const sealed = envelope.seal(PLAIN, PLACE)
    const refusal = expect.objectContaining({
      code: 'state_unreadable',
      message: 'the call key "k1" of this state is damaged',
      hint: expect.stringContaining('restore the state from a backup'),
    })
    expect(() => createEnvelope(new Uint8Array(32).fill(2), 'store').open(sealed, PLACE)).toThrow(refusal)
    expect(() => createEnvelope(KEK, 'store', 2).open(sealed, PLACE)).toThrow(refusal)
  })
})

function isOpened(open: () => unknown): boolean {
  try {
    open()
    return true
  } catch {
    return false
  }
}
