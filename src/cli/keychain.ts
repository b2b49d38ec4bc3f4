import type { AsyncEntry } from '@napi-rs/keyring'

/** The keychain of the operating system, as far as sessions need it. */
export interface Keychain {
  /** Whether it takes a value, gives it back and forgets it: asked before a session is made, not after. */
  answers(): Promise<boolean>
  /** Undefined when there is no such entry; throws when the keychain cannot be read. */
  read(account: string): Promise<string | undefined>
  write(account: string, text: string): Promise<void>
  remove(account: string): Promise<void>
}

/** One entry of a keychain. */
type Entry = Pick<AsyncEntry, 'getPassword' | 'setPassword' | 'deletePassword'>

const SERVICE = 'authsec'

/** Some keychains keep no more than 2560 bytes in one entry, in an encoding of two bytes each. */
const PART_LENGTH = 1_000

/** How long a keychain may take, in milliseconds: one that is locked may ask its person first. */
const PATIENCE_MS = 30_000

/** The keychain of this machine, unless the entries are another's. */
export function createKeychain(openEntry = openSystemEntry): Keychain {
  const entry = (account: string) => openEntry(SERVICE, account)

  async function readPart(account: string, index: number): Promise<string | undefined> {
    const part = await (await entry(nameOf(account, index))).getPassword(AbortSignal.timeout(PATIENCE_MS))
    return part ?? undefined
  }

  const keychain: Keychain = {
    async answers() {
      const [account, value] = [`probe-${crypto.randomUUID()}`, crypto.randomUUID()]
      try {
        await keychain.write(account, value)
        const found = await keychain.read(account)
        await keychain.remove(account)
        return found === value
      } catch {
        return false
      }
    },
    async read(account) {
      const first = await readPart(account, 0)
      const [, count, start = ''] = /^(\d{1,3}):(.*)$/s.exec(first ?? '') ?? []
      if (count === undefined) return undefined
      const parts = [start]
      for (let index = 1; index < Number(count); index++) {
        const part = await readPart(account, index)
        if (part === undefined) return undefined
        parts.push(part)
      }
      return parts.join('')
    },
    async write(account, text) {
      const parts = cutParts(text)
      for (const [index, part] of parts.entries()) {
        const value = index === 0 ? `${parts.length}:${part}` : part
        await (await entry(nameOf(account, index))).setPassword(value, AbortSignal.timeout(PATIENCE_MS))
      }
    },
    async remove(account) {
      const [, count = '0'] = /^(\d{1,3}):/.exec((await readPart(account, 0)) ?? '') ?? []
      for (let index = Number(count) - 1; index >= 0; index--) {
        await (await entry(nameOf(account, index))).deletePassword(AbortSignal.timeout(PATIENCE_MS))
      }
    },
  }
  return keychain
}

// The native package is loaded when it is first asked, and may be missing.
async function openSystemEntry(service: string, account: string): Promise<Entry> {
  const { AsyncEntry } = await import('@napi-rs/keyring')
  return new AsyncEntry(service, account)
}

function nameOf(account: string, index: number): string {
  return index === 0 ? account : `${account}#${index}`
}

// Never within a character of two code units: half of one does not survive the way into a keychain.
function cutParts(text: string): string[] {
  const parts: string[] = []
  for (let start = 0, end: number; start < text.length || parts.length === 0; start = end) {
    end = start + PART_LENGTH
    if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end--
    parts.push(text.slice(start, end))
  }
  return parts
}
