import type { Command, OptionValues } from '@commander-js/extra-typings'
import type { KeyChange } from '../api/keys.js'
import type { Context } from './context.js'

/** What keys are for, as the server names it. */
export const KEY_PURPOSES = ['call', 'base', 'session', 'audit'] as const
const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const

/** Adds the flags that name one set of keys. */
export function addPlaceFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .addOption(
      command
        .createOption('--purpose <purpose>', 'what the keys are for')
        .choices(KEY_PURPOSES)
        .default('call' as (typeof KEY_PURPOSES)[number]),
    )
    .addOption(
      command
        .createOption(
          '--alg <algorithm>',
          'of the keys for call tokens, the algorithm; ES256 unless it is said',
        )
        .choices(ALGORITHMS),
    )
}

/** Tells what has become of keys. */
export async function printKeyChanges({ io }: Context, changed: readonly KeyChange[]): Promise<void> {
  await io.table(
    ['kid', 'purpose', 'alg', 'state'],
    changed.map(({ kid, purpose, alg, state }) => [kid, purpose, alg, state]),
  )
}
