import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  CHOSEN_PASSWORD_COST,
  createPassword,
  hashPassword,
  RANDOM_PASSWORD_COST,
} from '../authority/passwords.js'
import type { Seed } from '../authority/seed.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { StoredPassword } from '../store/passwords.js'
import { explained } from '../store/sqlite-failures.js'
import type { Store } from '../store/store.js'

/** The file in a state directory with the random ones. */
export const PASSWORD_FILE = 'passwords.json'

/**
 * Gives every seeded user a password who has none from the seed. Those chosen by the caller are kept nowhere but
 * hashed. The others are random, one set for each state, and lie in `passwords.json` (0600) of the state directory: a
 * state without that file gets new ones, so deleting it changes them. A state in memory keeps no file; there only chosen
 * ones are known.
 *
 * Throws `usage` for a password of the wrong length, or of somebody who is not seeded.
 */
export async function seedPasswords(options: {
  store: Store
  seed: Seed
  /** Those whose passwords came with the seed: what they are now is theirs. */
  settled: readonly string[]
  /** A directory; `:memory:` and a database keep no file. */
  place: string | undefined
  chosen: Readonly<Record<string, string>>
}): Promise<void> {
  const { store, seed, settled, place, chosen } = options
  const stranger = Object.keys(chosen).find((email) => !seed.users.some((user) => user.email === email))
  if (stranger !== undefined) throw new AuthsecError('usage', `${quote(stranger)} is not a seeded user`)

  const file = place === undefined || place === ':memory:' ? undefined : join(place, PASSWORD_FILE)
  const known = file === undefined ? {} : readPasswords(file)
  const random = Object.fromEntries(
    seed.users
      .filter(({ email }) => !settled.includes(email))
      .filter(({ email }) => !Object.hasOwn(chosen, email) && !Object.hasOwn(known, email))
      .map(({ email }) => [email, createPassword()]),
  )
  await keepPasswords(store, [
    ...(await hashAll(chosen, CHOSEN_PASSWORD_COST)),
    ...(await hashAll(random, RANDOM_PASSWORD_COST)),
  ])
  const left = Object.entries(known).filter(([email]) => !Object.hasOwn(chosen, email))
  const kept = { ...Object.fromEntries(left), ...random }
  const isChanged = Object.keys(random).length > 0 || left.length < Object.keys(known).length
  if (file !== undefined && isChanged) explained(() => writePasswords(file, kept))
}

async function hashAll(
  passwords: Readonly<Record<string, string>>,
  cost: typeof CHOSEN_PASSWORD_COST,
): Promise<(readonly [email: string, hash: string])[]> {
  return Promise.all(
    Object.entries(passwords).map(
      async ([email, password]) => [email, await hashPassword(password, cost)] as const,
    ),
  )
}

async function keepPasswords(store: Store, hashes: readonly (readonly [string, string])[]): Promise<void> {
  if (hashes.length === 0) return
  await store.write(async ({ users, passwords }) => {
    for (const [email, hash] of hashes) {
      const user = await users.findByEmail(email)
      if (user === undefined) continue
      const fresh: StoredPassword = { userId: user.id, hash, failures: 0 }
      await passwords.replace(fresh)
    }
  })
}

// What cannot be read is as good as absent: the passwords are made anew.
function readPasswords(file: string): Record<string, string> {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof content !== 'object' || content === null) return {}
    return Object.fromEntries(Object.entries(content).filter(([, password]) => typeof password === 'string'))
  } catch {
    return {}
  }
}

// Whole or not at all, and never readable by others, not even for a moment.
function writePasswords(file: string, passwords: Readonly<Record<string, string>>): void {
  const fresh = `${file}.new`
  const descriptor = openSync(fresh, 'w', 0o600)
  try {
    fchmodSync(descriptor, 0o600)
    writeSync(descriptor, `${JSON.stringify(passwords, null, 2)}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(fresh, file)
}
