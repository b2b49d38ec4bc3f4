import { AuthsecError } from '../core/errors.js'
import { GENERATIONS } from '../core/generation.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import type { Profile } from './config.js'
import type { Context } from './context.js'
import { parseTenantId } from './flags.js'
import { isProjectSetting, PROJECT_FILE } from './project-file.js'
import { normalizeServerUrl, readSettings, requireProfile, type SettingName } from './settings.js'

export interface SettingChange {
  name: SettingName
  /** Undefined takes the setting back. */
  value: string | undefined
  isOfProject: boolean
}

/** Changes a setting where it is said; throws `usage` for a value that it cannot have. */
export async function changeSetting(context: Context, change: SettingChange): Promise<void> {
  const value = change.value === undefined ? undefined : parseValue(change.name, change.value)
  if (change.isOfProject) await changeProject(context, change.name, value)
  else if (change.name === 'profile') await changeUsed(context, value)
  else await changeProfile(context, change.name, value)
}

function parseValue(name: SettingName, value: string): string {
  if (name === 'server') return normalizeServerUrl(value)
  if (name === 'tenant_id') return parseTenantId(value)
  // Each as it stands: a token has to say it byte for byte.
  if (name === 'trusted_issuers') return value.split(',').map(parseIssuer).join(',')
  if (value === '' || value !== value.trim()) {
    throw new AuthsecError('usage', `${quote(value)} cannot be the ${name}`, {
      hint: `Take it back with authsec config unset ${name}.`,
    })
  }
  if (name !== 'generation' || GENERATIONS.some((generation) => generation === value)) return value
  throw new AuthsecError('usage', `${quote(value)} is not a generation of AuthSec`, {
    hint: `There are ${GENERATIONS.join(', ')}.`,
  })
}

function parseIssuer(text: string): string {
  const issuer = text.trim()
  parseServerUrl(issuer)
  return issuer
}

async function changeProject(context: Context, name: SettingName, value: string | undefined): Promise<void> {
  if (!isProjectSetting(name)) {
    throw new AuthsecError('usage', `${name} is not a setting of a project`, {
      hint: 'It belongs to a profile: leave out --project.',
    })
  }
  const path = await context.project.write({ [name]: value })
  context.io.note(`changed ${quote(path, 200)}`)
}

async function changeUsed({ config, io }: Context, name: string | undefined): Promise<void> {
  if (name !== undefined) requireProfile(await config.read(), name)
  await config.useProfile(name)
  io.note(`changed ${quote(config.path, 200)}`)
}

const MEMBERS = {
  server: 'server_url',
  tenant_id: 'tenant_id',
  client_id: 'client_id',
  generation: 'generation',
  trusted_issuers: 'trusted_issuers',
} as const

async function changeProfile(
  context: Context,
  name: keyof typeof MEMBERS,
  value: string | undefined,
): Promise<void> {
  const { config, io } = context
  const used = (await readSettings(context, {})).profile
  if (used === undefined) {
    throw new AuthsecError('configuration', 'no profile is in use that could hold it', {
      hint: `Make one with authsec profile create, or write to ${PROJECT_FILE} with --project.`,
    })
  }
  if (name === 'server' && value === undefined) {
    throw new AuthsecError('usage', 'a profile without a server is none', {
      hint: `Forget it with authsec profile delete ${used.value}.`,
    })
  }
  const { [MEMBERS[name]]: _, ...others } = requireProfile(await config.read(), used.value)
  const member = name === 'trusted_issuers' ? value?.split(',') : value
  const changed = { ...others, ...(member !== undefined && { [MEMBERS[name]]: member }) }
  await config.writeProfile(used.value, changed as Profile)
  io.note(`changed ${name} of profile ${used.value}`)
}
