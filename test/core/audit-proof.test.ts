import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formatAuditProof, holdsAuditProof, parseAuditProof } from '../../src/core/audit-proof.js'
import { formatHead, formatNote } from '../../src/core/checkpoint.js'
import { hashLeaf, hashPair } from '../../src/core/merkle.js'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const RECORDS = ['zero', 'one', 'two'].map((text) => Buffer.from(text))
const [ZERO, ONE, TWO] = RECORDS.map((record) => hashLeaf(record, sha256)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const root = hashPair(hashPair(ZERO, ONE, sha256), TWO, sha256)
const head = formatHead({ origin: 'authsec/l', size: 3, root })
const note = formatNote(head, [{ name: 'authsec/l', keyId: '01020304', signature: new Uint8Array(64) }])
const PROOF = formatAuditProof({ index: 1, record: RECORDS[1]!, hashes: [ZERO, TWO], note })

describe('the proof of a record', () => {
  test('holds for its record, its place and its checkpoint', () => {
    const proof = parseAuditProof(PROOF)
    expect(proof).toMatchObject({ index: 1, note })
    expect(Buffer.from(proof.record).toString()).toBe('one')
    expect(holdsAuditProof(proof, sha256)).toBe(true)
  })

  test.each([
    { what: 'another record', change: { record: RECORDS[0]! } },
    { what: 'another place', change: { index: 0 } },
    { what: 'a place outside', change: { index: 3 } },
    { what: 'a hash less', change: { hashes: [ZERO] } },
    { what: 'other hashes', change: { hashes: [TWO, ZERO] } },
  ])('does not hold with $what', ({ change }) => {
    const proof = { index: 1, record: RECORDS[1]!, hashes: [ZERO, TWO], note, ...change }
    expect(holdsAuditProof(parseAuditProof(formatAuditProof(proof)), sha256)).toBe(false)
  })

  test.each([
    { what: 'nothing', text: '' },
    { what: 'another format', text: PROOF.replace('@v1', '@v2') },
    { what: 'a record that is not base64', text: PROOF.replace('extra ', 'extra *') },
    { what: 'no record', text: PROOF.replace(/extra .+\n/, '') },
    { what: 'a place with a zero in front', text: PROOF.replace('index 1', 'index 01') },
    { what: 'a place in words', text: PROOF.replace('index 1', 'index one') },
    { what: 'a hash that is too short', text: PROOF.replace(/\n.{44}\n/, '\nAAAA\n') },
    { what: 'no checkpoint', text: PROOF.slice(0, PROOF.indexOf('\n\n')) },
    { what: 'a checkpoint without signature', text: PROOF.slice(0, PROOF.lastIndexOf('\n\n') + 1) },
    { what: '65 hashes', text: PROOF.replace('\n\n', `\n${`${'A'.repeat(43)}=\n`.repeat(65)}\n`) },
  ])('is not $what', ({ text }) => {
    expect(() => parseAuditProof(text)).toThrow(expect.objectContaining({ code: 'checkpoint_malformed' }))
  })
})
