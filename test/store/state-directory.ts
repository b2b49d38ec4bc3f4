import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface StateDirectory {
  directory: string
  /** Where the database of a server would be. */
  file: string
  remove(): void
}

/** A directory of its own for one test. */
export function makeStateDirectory(): StateDirectory {
  const directory = mkdtempSync(path.join(tmpdir(), 'authsec-store-'))
  return {
    directory,
    file: path.join(directory, 'authsec.db'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
