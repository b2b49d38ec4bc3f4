import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether tests that run a program of the system are left out; on CI they fail instead. */
export function isMissing(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return !process.env['CI'] && !folders.some((folder) => existsSync(join(folder, program)))
}
