import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  createVerifierKey,
  formatHead,
  formatNote,
  formatVerifierKey,
  isSignedBy,
  type NoteSignature,
  parseCheckpoint,
  parseVerifierKey,
  type VerifySignature,
} from '../../src/core/checkpoint.js'
import { AuthsecError } from '../../src/core/errors.js'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const verifySignature: VerifySignature = (publicKey, message, signature) => {
  const x = Buffer.from(publicKey).toString('base64url')
  return verify(
    null,
    message,
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    signature,
  )
}

const ORIGIN = 'authsec/7f3c9a0000000000000000000000000000'
const HEAD = { origin: ORIGIN, size: 48_212, root: sha256(Buffer.from('root')) }
const TEXT = formatHead(HEAD)

function createSigner(name = ORIGIN) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
  const key = createVerifierKey(name, raw, sha256)
  const signText = (text: string): NoteSignature => ({
    name,
    keyId: key.keyId,
    signature: sign(null, Buffer.from(text), privateKey),
  })
  return { key, sign: signText }
}

// Go's sum.golang.org/latest, whose key is published in the source of the go command.
const SUMDB_KEY = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8'

describe('a verifier key', () => {
  test.each([
    { what: 'nothing', text: '' },
    { what: 'words', text: 'not a key' },
    { what: 'no id', text: SUMDB_KEY.replace('+033de0ae', '') },
    { what: 'an id that is too short', text: SUMDB_KEY.replace('033de0ae', '033de0') },
    { what: 'an id in capitals', text: SUMDB_KEY.replace('033de0ae', '033DE0AE') },
    { what: 'the id of another key', text: SUMDB_KEY.replace('033de0ae', '033de0af') },
    { what: 'another name', text: SUMDB_KEY.replace('sum.', 'som.') },
    { what: 'a name with a space', text: formatVerifierKey(createSigner('a b').key) },
    { what: 'a name with a no-break space', text: formatVerifierKey(createSigner('a\u00a0b').key) },
    { what: 'a name that turns the line round', text: formatVerifierKey(createSigner('a\u202eb').key) },
    {
      what: 'a key that is cut',
      text: formatVerifierKey(createVerifierKey(ORIGIN, new Uint8Array(31), sha256)),
    },
    { what: 'an algorithm that nobody knows', text: SUMDB_KEY.replace('+Ac4z', '+Ac4z'.replace('Ac', '-c')) },
    { what: 'a line break', text: `${SUMDB_KEY}\n` },
    { what: 'the reserved algorithm', text: 'a+00000000+A84zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8' },
  ])('is not $what', ({ text }) => {
    expect(() => parseVerifierKey(text, sha256)).toThrow(
      expect.objectContaining({ code: 'checkpoint_malformed' }),
    )
  })

  test('of somebody else is read, and written as it was', () => {
    const key = parseVerifierKey(SUMDB_KEY, sha256)
    expect(key).toMatchObject({ name: 'sum.golang.org', keyId: '033de0ae', algorithm: 'ed25519' })
    expect(formatVerifierKey(key)).toBe(SUMDB_KEY)
  })

  test('of ours is read as it was made', () => {
    const { key } = createSigner()
    expect(parseVerifierKey(formatVerifierKey(key), sha256)).toEqual(key)
  })

  test.each([
    { type: 0x04, bytes: 32, algorithm: 'cosignature-ed25519' },
    { type: 0x06, bytes: 1312, algorithm: 'cosignature-ml-dsa-44' },
  ])('of a witness is told apart: $algorithm', ({ type, bytes, algorithm }) => {
    const encoded = Buffer.concat([Buffer.of(type), Buffer.alloc(bytes, 7)])
    const id = Buffer.from(sha256(Buffer.concat([Buffer.from('w.example\n'), encoded]))).toString('hex', 0, 4)
    const text = `w.example+${id}+${encoded.toString('base64')}`
    const key = parseVerifierKey(text, sha256)
    expect(key.algorithm).toBe(algorithm)
    expect(formatVerifierKey(key)).toBe(text)
  })
})

describe('a checkpoint', () => {
  const { key, sign: signText } = createSigner()
  const NOTE = formatNote(TEXT, [signText(TEXT)])
  const [SIGNATURE_LINE = ''] = NOTE.split('\n').slice(-2)

  test.each([
    { what: 'nothing', note: '' },
    { what: 'a text without signature', note: TEXT },
    { what: 'a text without signature lines', note: `${TEXT}\n` },
    { what: 'one without its last line break', note: NOTE.slice(0, -1) },
    { what: 'one with a letter for its last line break', note: NOTE.replace(/\n$/, 'x') },
    { what: 'one with Windows line breaks', note: NOTE.replaceAll('\n', '\r\n') },
    { what: 'one with a tab', note: NOTE.replace('authsec/', 'authsec/\t') },
    { what: 'one with half a character', note: NOTE.replace('authsec/', 'authsec/\ud800') },
    { what: 'one without origin', note: NOTE.replace(ORIGIN, '') },
    { what: 'one without root', note: NOTE.replace(`${TEXT.split('\n')[2]}\n`, '') },
    { what: 'a size with a zero in front', note: NOTE.replace('48212', '048212') },
    { what: 'a negative size', note: NOTE.replace('48212', '-1') },
    { what: 'a size in words', note: NOTE.replace('48212', 'many') },
    { what: 'a size that no number holds', note: NOTE.replace('48212', '9007199254740993') },
    { what: 'a root that is too short', note: NOTE.replace(TEXT.split('\n')[2]!, 'AAAA') },
    { what: 'a root that is not base64', note: NOTE.replace('=\n', '*\n') },
    { what: 'an empty line in the middle', note: NOTE.replace('48212\n', '48212\n\n') },
    { what: 'an empty line of extension', note: NOTE.replace(TEXT, `${TEXT}\nmore\n`) },
    { what: 'a hyphen in place of the dash', note: NOTE.replace('—', '-') },
    { what: 'a signature without name', note: `${TEXT}\n— ${SIGNATURE_LINE.split(' ')[2]}\n` },
    { what: 'a signature of a name that can be none', note: NOTE.replace('— ', '— a+') },
    { what: 'a signature that is not base64', note: `${TEXT}\n— ${ORIGIN} ****\n` },
    { what: 'a signature that is only a key id', note: `${TEXT}\n— ${ORIGIN} AAAAAA==\n` },
    { what: 'a signature with something behind it', note: NOTE.replace(/\n$/, ' more\n') },
    { what: '128 KiB', note: NOTE + `${SIGNATURE_LINE}\n`.repeat(1_000) },
  ])('is not $what', ({ note }) => {
    expect(() => parseCheckpoint(note)).toThrow(expect.objectContaining({ code: 'checkpoint_malformed' }))
  })

  test('is read as it was written', () => {
    const checkpoint = parseCheckpoint(NOTE)
    expect(checkpoint).toMatchObject({ origin: ORIGIN, size: 48_212, text: TEXT, note: NOTE })
    expect(Buffer.from(checkpoint.root)).toEqual(HEAD.root)
    expect(isSignedBy(checkpoint, key, verifySignature)).toBe(true)
  })

  test('may carry lines of extension and the signatures of others', () => {
    const text = `${TEXT}extension\n`
    const others = [createSigner().sign(text), createSigner('witness.example/w1').sign(text)]
    const checkpoint = parseCheckpoint(formatNote(text, [...others, signText(text)]))
    expect(checkpoint.signatures.map(({ name }) => name)).toEqual([ORIGIN, 'witness.example/w1', ORIGIN])
    expect(isSignedBy(checkpoint, key, verifySignature)).toBe(true)
  })

  test('is not signed by whoever has another key or another name', () => {
    const checkpoint = parseCheckpoint(NOTE)
    expect(isSignedBy(checkpoint, createSigner().key, verifySignature)).toBe(false)
    expect(isSignedBy(checkpoint, { ...key, name: 'another' }, verifySignature)).toBe(false)
    expect(isSignedBy(checkpoint, { ...key, keyId: '00000000' }, verifySignature)).toBe(false)
  })

  test.each([
    { what: 'another size', change: (note: string) => note.replace('48212', '48213') },
    { what: 'another origin', change: (note: string) => note.replace(/^authsec/, 'authsek') },
    { what: 'one line more', change: (note: string) => note.replace('\n\n', '\nmore\n\n') },
  ])('is forged where it has $what', ({ change }) => {
    const forged = () => isSignedBy(parseCheckpoint(change(NOTE)), key, verifySignature)
    expect(forged).toThrow(expect.objectContaining({ code: 'checkpoint_forged' }))
  })

  test('is forged where any byte of the signature is another', () => {
    const { signature } = signText(TEXT)
    for (let at = 0; at < signature.length; at++) {
      const spoilt = Uint8Array.from(signature)
      spoilt[at]! ^= 1 << (at % 8)
      const checkpoint = parseCheckpoint(formatNote(TEXT, [{ ...signText(TEXT), signature: spoilt }]))
      expect(() => isSignedBy(checkpoint, key, verifySignature)).toThrow(AuthsecError)
    }
  })

  test('is forged where one of two signatures of the key does not hold', () => {
    const bad = { ...signText(TEXT), signature: new Uint8Array(64) }
    const checkpoint = parseCheckpoint(formatNote(TEXT, [signText(TEXT), bad]))
    expect(() => isSignedBy(checkpoint, key, verifySignature)).toThrow(AuthsecError)
  })
})
