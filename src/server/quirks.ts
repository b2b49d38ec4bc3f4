import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/** What the real server does that is dangerous, by the name under which somebody may ask for it. */
export const QUIRKS = {
  'issue-delegated': 'any signed-in user has whatever claims they like signed',
  renew: 'anybody extends any valid base token by 24 h',
  'spire-audit-export': 'anybody reads the audit log',
  'token-generate': 'anybody has a session signed without a credential',
} as const

export type QuirkName = keyof typeof QUIRKS

/** Reads the names of quirks; throws `usage` listing those there are. */
export function parseQuirks(names: readonly string[]): ReadonlySet<QuirkName> {
  for (const name of names) {
    if (!Object.hasOwn(QUIRKS, name)) {
      throw new AuthsecError('usage', `${quote(name)} is not a quirk`, {
        hint: `Known quirks: ${Object.keys(QUIRKS).join(', ')}.`,
      })
    }
  }
  return new Set(names as QuirkName[])
}
