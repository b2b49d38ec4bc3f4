import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createKeychain } from '../../src/cli/keychain.js'

/** What a keychain of a system keeps; no machine that runs the tests has one that answers without its person. */
const entries = vi.hoisted(() => new Map<string, string>())
const faults = vi.hoisted(() => ({ isLocked: false, forgets: false }))

vi.mock('@napi-rs/keyring', () => ({
  AsyncEntry: class {
    readonly #name: string
    constructor(service: string, account: string) {
      if (faults.isLocked) throw new Error('the collection is locked')
      this.#name = `${service}/${account}`
    }
    async getPassword() {
      return entries.get(this.#name) ?? null
    }
    async setPassword(value: string) {
      // The least that any of them keeps: 2560 bytes in UTF-16.
      if (Buffer.byteLength(value, 'utf16le') > 2560) throw new Error('the entry is too long')
      if (!value.isWellFormed()) throw new Error('half a character')
      if (!faults.forgets) entries.set(this.#name, value)
    }
    async deletePassword() {
      return entries.delete(this.#name)
    }
  },
}))

beforeEach(() => {
  entries.clear()
  Object.assign(faults, { isLocked: false, forgets: false })
})

describe('the keychain of the system', () => {
  test.each([0, 1, 999, 1_001, 2_001, 12_345])(
    'gives back a session of %i characters, and forgets all of it',
    async (length) => {
      const keychain = createKeychain()
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
    const keychain = createKeychain()
    await keychain.write('dev', 'x'.repeat(2_500))
    entries.delete('authsec/dev#1')
    expect(await keychain.read('dev')).toBeUndefined()
    entries.set('authsec/theirs', 'hunter2')
    expect(await keychain.read('theirs')).toBeUndefined()
  })

  test('answers a probe and leaves nothing behind', async () => {
    expect(await createKeychain().answers()).toBe(true)
    expect(entries.size).toBe(0)
  })

  test.each(['isLocked', 'forgets'] as const)('does not answer where it %s', async (fault) => {
    faults[fault] = true
    expect(await createKeychain().answers()).toBe(false)
  })
})
