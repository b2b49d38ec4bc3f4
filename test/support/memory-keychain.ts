import type { Keychain } from '../../src/cli/keychain.js'

/** A keychain that is gone after the test. */
export function createMemoryKeychain(): Keychain & { entries: Map<string, string> } {
  const entries = new Map<string, string>()
  return {
    entries,
    answers: async () => true,
    read: async (account) => entries.get(account),
    async write(account, text) {
      entries.set(account, text)
    },
    async remove(account) {
      entries.delete(account)
    },
  }
}

/** A machine without a keychain, such as a server or a container. */
export const NO_KEYCHAIN: Keychain = {
  answers: async () => false,
  read: refuse,
  write: refuse,
  remove: refuse,
}

async function refuse(): Promise<never> {
  throw new Error('no keychain answers')
}
