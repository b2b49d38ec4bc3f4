import { fingerprintKek } from '../authority/kek-check.js'
import type { NewState } from '../authority/new-state.js'
import { readSetting } from '../authority/state-settings.js'
import { AuthsecError } from '../core/errors.js'
import { SCHEMA_VERSION } from '../store/migrate.js'
import { type Replaced, type ReplaceOptions, replaceState } from './replace-state.js'
import { openState } from './state.js'
import { isOfTeam } from './team-state.js'

/**
 * Empties a state: what is left is the name of its tenant, its issuer and its key-encryption key. Throws `not_found`
 * where there is none, `configuration` for that of a team, `conflict` and `state_locked` where a server runs.
 */
export async function resetState(options: ReplaceOptions): Promise<Replaced & { tenantId: string }> {
  const state = await openState(options, options.kek, 'refuse')
  const { store, name, kek } = state
  try {
    const [issuer, tenantId] = [await readSetting(store, 'issuer'), await readSetting(store, 'tenant_id')]
    if (isOfTeam(issuer)) {
      throw new AuthsecError('configuration', `${name} is the state of a team`, {
        hint: 'Begin another one with authsec dev init; this one stays as it is.',
      })
    }
    const replaced = await replaceState(state, options, async (old) => ({
      ...describeEmptyState({ tenantId, issuer, kek }),
      event: { type: 'state.reset', ...(old && { details: { old: { ...old } } }) },
    }))
    return { ...replaced, tenantId }
  } finally {
    await state.close()
  }
}

/** A state of which there is nothing but its name. */
export function describeEmptyState(of: { tenantId: string; issuer: string; kek: Uint8Array }): NewState {
  const { tenantId, issuer, kek } = of
  return {
    tenantId,
    schema: SCHEMA_VERSION,
    rows: listSettings({ tenant_id: tenantId, issuer }),
    hasKeys: false,
    opensCredentials: true,
    kek,
    check: { version: 1, fingerprint: fingerprintKek(kek) },
    event: { type: 'state.reset' },
  }
}

async function* listSettings(settings: Readonly<Record<string, string>>): NewState['rows'] {
  for (const [name, value] of Object.entries(settings)) yield { table: 'settings', row: { name, value } }
}
