import { beforeEach, describe, expect, test } from 'vitest'
import { createKeychain } from '../../src/cli/keychain.js'

/** What a keychain of a system keeps; no machine that runs the tests has one that answers without its person. */
const entries = new Map<string, string>()
const faults = { isLocked: false, forgets: false }
const keychain = createKeychain(async (service, account) => {
  if (faults.isLocked) throw new Error('the collection is locked')
  const name = `${service}/${account}`
  return {
    async getPassword() {
      return entries.get(name) ?? null
    },
    async setPassword(value) {
      // The least that any of them keeps: 2560 bytes in UTF-16.
      if (Buffer.byteLength(value, 'utf16le') > 2560) throw new Error('the entry is too long')
      if (!value.isWellFormed()) throw new Error('half a character')
      if (!faults.forgets) entries.set(name, value)
    },
    async deletePassword() {
      return entries.delete(name)
    },
  }
})

beforeEach(() => {
  entries.clear()
  Object.assign(faults, { isLocked: false, forgets: false })
})

describe('the keychain of the system', () => {
  test.each([0, 1, 999, 1_001, 2_001, 12_345])(
    'gives back a session of %i characters, and forgets all of it',
    async (length) => {
      // Every pair starts at an odd place, so that a cut after a thousand would be within one.
      const session = `x${'\u{1f511}'.repeat(length)}`.slice(0, length)
      await keychain.write('dev', session)
      await keychain.write('other', 'x')
      expect(await keychain.read('dev')).toBe(session)
      await keychain.remove('dev')
      expect(await keychain.read('dev')).toBeUndefined()
      expect([...entries.keys()]).toEqual(['authsec/other'])
    },
  )

  test("is none where a part is missing, or the entry is somebody else's", async () => {
    await keychain.write('dev', 'x'.repeat(2_500))
    entries.delete('authsec/dev#1')
    expect(await keychain.read('dev')).toBeUndefined()
    entries.set('authsec/theirs', 'hunter2')
    expect(await keychain.read('theirs')).toBeUndefined()
  })

  test('answers a probe and leaves nothing behind', async () => {
    expect(await keychain.answers()).toBe(true)
    expect(entries.size).toBe(0)
  })

  test.each(['isLocked', 'forgets'] as const)('does not answer where it %s', async (fault) => {
    faults[fault] = true
    expect(await keychain.answers()).toBe(false)
  })
})
