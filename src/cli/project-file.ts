import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readJsonFile } from './config.js'
import { toWriteFailure } from './write-failure.js'

/** The name of the file; `.authsec.json` is what AuthSec's own SDKs write. */
export const PROJECT_FILE = 'authsec.config.json'

/** What a project says about the server that it works with. It lies in version control, so it holds no secret. */
export interface Project {
  path: string
  settings: Readonly<Partial<Record<ProjectSetting, string>>>
}

const PROJECT_SETTINGS = ['profile', 'server', 'tenant_id', 'client_id'] as const
type ProjectSetting = (typeof PROJECT_SETTINGS)[number]

/** The nearest project file at or above a directory. */
export interface ProjectFile {
  /** Undefined when there is none; throws `configuration` for one that is damaged or holds what it must not. */
  read(): Promise<Project | undefined>
  /** Changes the nearest file, or makes one in the directory itself; returns its path. */
  write(changes: Readonly<Partial<Record<ProjectSetting, string | undefined>>>): Promise<string>
}

/** Opens nothing yet. */
export function createProjectFile(directory: string): ProjectFile {
  async function read(): Promise<Project | undefined> {
    const found = await findUpwards(directory, PROJECT_FILE)
    if (found === undefined) return undefined
    const { path, stats } = found
    assertOwn(path, stats.uid)
    const content = await readJsonFile(path)
    if (content === undefined) return undefined
    for (const [name, value] of Object.entries(content)) assertSetting(path, name, value)
    return { path, settings: content as Project['settings'] }
  }
  return {
    read,
    async write(changes) {
      const { writeFile } = await import('node:fs/promises')
      const project = await read()
      const path = project?.path ?? join(directory, PROJECT_FILE)
      const settings = Object.entries({ ...project?.settings, ...changes }).filter(([, value]) => value)
      await writeFile(path, `${JSON.stringify(Object.fromEntries(settings), null, 2)}\n`).catch((error) => {
        throw toWriteFailure(path, error, 'Run it in a directory where you may write.')
      })
      return path
    },
  }
}

/** Whether a setting may stand in a project file. */
export function isProjectSetting(name: string): name is ProjectSetting {
  return PROJECT_SETTINGS.some((setting) => setting === name)
}

function assertSetting(path: string, name: string, value: unknown): void {
  if (isProjectSetting(name) && typeof value === 'string') return
  if (/token|secret|password|session|key|credential/i.test(name)) {
    throw new AuthsecError('configuration', `${quote(path, 200)} holds ${quote(name)}, which is a secret`, {
      hint: 'Whoever reads the project reads it too: remove it, withdraw it, and log in with authsec login.',
    })
  }
  const problem = isProjectSetting(name) ? 'is not a text' : 'is not a setting of a project'
  throw new AuthsecError('configuration', `${quote(name)} in ${quote(path, 200)} ${problem}`, {
    hint: `A project file may say: ${PROJECT_SETTINGS.join(', ')}.`,
  })
}

/** The nearest file of this name at or above a directory. */
export async function findUpwards(
  directory: string,
  name: string,
): Promise<{ path: string; stats: Stats } | undefined> {
  const { stat } = await import('node:fs/promises')
  for (let folder = directory; ; folder = dirname(folder)) {
    const path = join(folder, name)
    const stats = await stat(path).catch(() => undefined)
    if (stats?.isFile()) return { path, stats }
    if (folder === dirname(folder)) return undefined
  }
}

// In a folder such as /tmp anybody may leave a file for whoever works below it.
function assertOwn(path: string, owner: number): void {
  const user = process.getuid?.()
  if (user === undefined || owner === user || owner === 0) return
  throw new AuthsecError('configuration', `${quote(path, 200)} belongs to another user`, {
    hint: 'Work in a folder of your own, or take the file over with chown.',
  })
}
