import { randomBytes, scrypt } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { isSameBytes } from './constant-time.js'

/** What one check of a password costs: scrypt's N, r and p. */
export interface PasswordCost {
  N: number
  r: number
  p: number
}

/** AuthSec's shortest password, in characters. */
const MIN_PASSWORD_LENGTH = 10
/** For passwords that people choose: 32 MiB and some 150 ms, one of the sets that OWASP recommends. */
export const CHOSEN_PASSWORD_COST: PasswordCost = { N: 2 ** 15, r: 8, p: 3 }
/** For passwords of `createPassword`, which nobody can guess however cheap a guess is. */
export const RANDOM_PASSWORD_COST: PasswordCost = { N: 2 ** 10, r: 8, p: 1 }

const MAX_PASSWORD_LENGTH = 1_024
const MAX_MEMORY = 64 * 1024 * 1024
const HASH_BYTES = 32

/** Makes a password of 120 bits. */
export function createPassword(): string {
  return randomBytes(15).toString('base64url')
}

/** Throws `usage` for the length of a password. */
export function assertPassword(password: string): void {
  if (password.length < MIN_PASSWORD_LENGTH || password.length > MAX_PASSWORD_LENGTH) {
    throw new AuthsecError(
      'usage',
      `a password has to have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters`,
    )
  }
}

/** Hashes a password with scrypt and a salt of its own; throws `usage` for its length. */
export async function hashPassword(password: string, cost: PasswordCost): Promise<string> {
  assertPassword(password)
  const salt = randomBytes(16)
  const hash = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/**
 * Whether a password is the one that was hashed. Without a hash it takes its time and is false, so that the time
 * does not tell who has an account.
 */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  // What is too long to have been hashed is not hashed to find that out.
  if (password.length > MAX_PASSWORD_LENGTH) return false
  const [, N, r, p, salt = '', expected = ''] = stored?.split('$') ?? []
  const cost = stored === undefined ? CHOSEN_PASSWORD_COST : { N: Number(N), r: Number(r), p: Number(p) }
  const actual = await derive(password, Buffer.from(salt, 'base64url'), cost)
  const wanted = Buffer.from(expected, 'base64url')
  return isSameBytes(actual, wanted)
}

function derive(password: string, salt: Uint8Array, cost: PasswordCost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // One spelling of a letter, whatever keyboard it was typed on.
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, { ...cost, maxmem: MAX_MEMORY }, (error, hash) => {
      if (error === null) resolve(hash)
      else reject(error)
    })
  })
}
