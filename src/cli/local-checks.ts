import { join } from 'node:path'
import { isOpenToOthers } from '../core/file-mode.js'
import { quote } from '../core/printable.js'
import { readJsonFile } from './config.js'
import type { Context } from './context.js'
import type { Check, Finding } from './diagnosis.js'
import { findUpwards } from './project-file.js'
import { readStart } from './text-file.js'

const MAX_SHIM_BYTES = 8 * 1024

/** What can be wrong on this machine. */
export function listLocalChecks(context: Context): Record<string, Check> {
  return {
    version: async () => ({
      name: 'version',
      outcome: 'ok',
      detail: `authsec ${context.readVersion()}, node ${process.version}, ${process.platform} ${process.arch}`,
    }),
    command: () => checkCommand(context),
    'other tools': () => checkForeignFile(context),
    credentials: () => checkCredentials(context),
    keychain: async () =>
      (await context.keychain.answers())
        ? { name: 'keychain', outcome: 'ok', detail: 'the keychain of the system answers' }
        : { name: 'keychain', outcome: 'skipped', detail: 'none answers: sessions lie in a file (0600)' },
  }
}

// AuthSec's SDKs for Python and TypeScript bring a command of the same name along.
async function checkCommand({ environment }: Context): Promise<Finding> {
  const { realpath } = await import('node:fs/promises')
  const mine = await realpath(process.argv[1] ?? '').catch(() => '')
  const found = await findCommands(environment.variables['PATH'] ?? '')
  const [first] = found
  const others = found.filter(({ real }) => real !== mine).map(({ path }) => path)
  const name = 'command'
  if (first === undefined) {
    return {
      name,
      outcome: 'warning',
      detail: 'authsec is not on the PATH',
      hint: 'Call it with npx authsec, or link it with npm link.',
    }
  }
  if (others.length === 0) return { name, outcome: 'ok', detail: `authsec is ${quote(first.path, 200)}` }
  const isShadowed = first.real !== mine
  return {
    name,
    outcome: 'warning',
    detail: isShadowed
      ? `${quote(first.path, 200)} is another authsec, and comes first`
      : `another authsec comes later on the PATH: ${others.map((path) => quote(path, 200)).join(', ')}`,
    hint: "AuthSec's SDKs install a command of this name: put the one that you want first.",
  }
}

async function findCommands(searchPath: string): Promise<{ path: string; real: string }[]> {
  const { access, constants } = await import('node:fs/promises')
  const { delimiter } = await import('node:path')
  const names = process.platform === 'win32' ? ['authsec.cmd', 'authsec.exe', 'authsec.ps1'] : ['authsec']
  const found: { path: string; real: string }[] = []
  for (const folder of searchPath.split(delimiter).filter(Boolean)) {
    for (const path of names.map((name) => join(folder, name))) {
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      const real = isThere ? await findScript(path).catch(() => undefined) : undefined
      // One command under two names, or in a folder that the PATH names twice, is one command.
      if (real !== undefined && !found.some((other) => other.real === real)) found.push({ path, real })
    }
  }
  return found
}

// Where npm makes no link, on Windows, and pnpm makes none anywhere, a small script runs the one that is named in it.
async function findScript(path: string): Promise<string> {
  const { realpath } = await import('node:fs/promises')
  const { dirname } = await import('node:path')
  const text = (await readStart(path, MAX_SHIM_BYTES)).toString('utf8')
  const [, script] = /"(?:\$basedir|%~?dp0%?)[\\/]([^"]+\.[cm]?js)"/.exec(text) ?? []
  return await realpath(script === undefined ? path : join(dirname(path), script.replaceAll('\\', '/')))
}

async function checkForeignFile({ environment }: Context): Promise<Finding> {
  const name = 'other tools'
  const found = await findUpwards(environment.workingDirectory, '.authsec.json')
  if (found === undefined) return { name, outcome: 'ok', detail: "no .authsec.json of AuthSec's SDKs here" }
  const { path, stats } = found
  const content = await readJsonFile(path).catch(() => undefined)
  const secrets = Object.keys(content ?? {}).filter((key) => /token|secret|password/i.test(key))
  const isOpen = secrets.length > 0 && isOpenToOthers(stats, process.platform)
  return {
    name,
    outcome: isOpen ? 'warning' : 'ok',
    detail: `${quote(path, 200)} belongs to AuthSec's SDKs and is not read here${
      isOpen ? `; others can read its ${secrets.map((key) => quote(key)).join(', ')}` : ''
    }`,
    ...(isOpen && { hint: 'Make it yours alone with chmod 600, and keep it out of version control.' }),
  }
}

async function checkCredentials({ credentials, clock }: Context): Promise<Finding> {
  const { stat } = await import('node:fs/promises')
  const name = 'credentials'
  const file = await stat(credentials.path).catch(() => undefined)
  if (file === undefined) return { name, outcome: 'ok', detail: 'no session is stored' }
  if (isOpenToOthers(file, process.platform)) {
    return {
      name,
      outcome: 'failed',
      code: 'configuration',
      detail: `others can read ${quote(credentials.path, 200)}`,
      hint: `Make it yours alone: chmod 600 ${credentials.path}`,
    }
  }
  const sessions = Object.entries(await credentials.list())
  const stale = sessions.filter(([, { expires_at }]) => Date.parse(expires_at ?? '') <= clock.now())
  return {
    name,
    outcome: 'ok',
    detail: `${sessions.length} stored, ${stale.length} of them expired, in ${quote(credentials.path, 200)}`,
  }
}
