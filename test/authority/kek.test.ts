import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKek, openKekFile, readKekFile } from '../../src/authority/kek.js'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authsec-kek-'))
  file = join(folder, 'kek')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const GOOD = Buffer.alloc(32, 9).toString('base64url')

describe('a key-encryption key', () => {
  test('is 32 bytes of chance', () => {
    expect(createKek()).toHaveLength(32)
    expect(createKek()).not.toEqual(createKek())
  })

  test('is created once, for its owner alone, and read again', () => {
    const kek = openKekFile(file, true)
    expect(kek).toHaveLength(32)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(Buffer.from(openKekFile(file, false))).toEqual(Buffer.from(kek))
    expect(Buffer.from(openKekFile(file, true))).toEqual(Buffer.from(kek))
  })

  test('leaves nothing beside it', () => {
    openKekFile(file, true)
    expect(readdirSync(folder)).toEqual(['kek'])
  })

  test('is created although an earlier try was cut short by a crash', () => {
    writeFileSync(join(folder, 'kek.new'), 'hal', { mode: 0o644 })
    const kek = openKekFile(file, true)
    expect(Buffer.from(openKekFile(file, false))).toEqual(Buffer.from(kek))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['kek'])
  })

  test('is never made anew where something is sealed already', () => {
    expect(() => openKekFile(file, false)).toThrow(
      expect.objectContaining({
        code: 'state_unreadable',
        message: `the key-encryption key ${file} is missing`,
        hint: expect.stringContaining('put the original file back'),
      }),
    )
    expect(readdirSync(folder)).toEqual([])
  })

  test
    .skipIf(process.platform === 'win32')
    .each([{ mode: 0o640 }, { mode: 0o604 }, { mode: 0o620 }, { mode: 0o601 }])(
    'is refused while others may reach it: mode $mode',
    ({ mode }) => {
      writeFileSync(file, GOOD)
      chmodSync(file, mode)
      expect(() => openKekFile(file, true)).toThrow(
        expect.objectContaining({ code: 'state_unreadable', hint: expect.stringContaining('chmod 600') }),
      )
    },
  )

  test.each([
    { what: 'empty', text: '' },
    { what: 'too short', text: GOOD.slice(0, -2) },
    { what: 'too long', text: `${GOOD}AA` },
    { what: 'cut in two', text: `${GOOD.slice(0, 20)}\n${GOOD.slice(20)}` },
    { what: 'with a foreign character', text: `${GOOD.slice(0, 20)}*${GOOD.slice(20)}` },
  ])('is refused when $what, and left as it is', ({ text }) => {
    writeFileSync(file, text, { mode: 0o600 })
    expect(() => openKekFile(file, true)).toThrow(
      expect.objectContaining({
        code: 'state_unreadable',
        message: expect.stringContaining('does not hold 32 bytes in base64'),
      }),
    )
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('is read in either alphabet, as somebody may have put it there', () => {
    const bytes = Buffer.alloc(32, 0xfb)
    writeFileSync(file, `${bytes.toString('base64')}\n`, { mode: 0o600 })
    expect(Buffer.from(openKekFile(file, false))).toEqual(bytes)
  })

  test('names a file that cannot be read', () => {
    expect(() => openKekFile(folder, true)).toThrow(expect.objectContaining({ code: 'state_unreadable' }))
  })
})

describe('a key-encryption key that somebody keeps', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  test.each([
    ['base64', bytes.toString('base64')],
    ['base64 with a line break', `${bytes.toString('base64')}\n`],
    ['base64url', bytes.toString('base64url')],
  ])('may be written in %s', (_what, text) => {
    writeFileSync(file, text, { mode: 0o600 })
    expect(Buffer.from(readKekFile(file))).toEqual(bytes)
  })

  test.each([
    ['short', bytes.toString('base64').slice(4), 'is not 32 bytes in base64'],
    ['in hex', bytes.toString('hex'), 'is not 32 bytes in base64'],
    ['empty', '', 'is not 32 bytes in base64'],
    ['followed by too much', `${bytes.toString('base64')}${'\n'.repeat(1_024)}`, 'is not 32 bytes in base64'],
  ])('is a usage error when it is %s, without what it is', (_what, text, message) => {
    writeFileSync(file, text, { mode: 0o600 })
    const refusal = expect.objectContaining({ code: 'usage', message: `the key "${file}" ${message}` })
    expect(() => readKekFile(file)).toThrow(refusal)
  })

  test('is read no further than one may be long', () => {
    writeFileSync(file, '', { mode: 0o600 })
    truncateSync(file, 2 ** 40)
    expect(() => readKekFile(file)).toThrow('is not 32 bytes in base64')
  })

  test('is a usage error when others can read it, and when it is not there', () => {
    expect(() => readKekFile(file)).toThrow(
      expect.objectContaining({ code: 'usage', message: `the key "${file}" cannot be read (ENOENT)` }),
    )
    writeFileSync(file, bytes.toString('base64'), { mode: 0o600 })
    chmodSync(file, 0o640)
    expect(() => readKekFile(file)).toThrow(
      expect.objectContaining({ code: 'usage', hint: expect.stringContaining('chmod 600') }),
    )
  })
})
