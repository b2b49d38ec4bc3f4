import type { Context } from './context.js'

/** Whether the arguments ask for the version and nothing else. */
export function isVersionAsked(args: readonly string[]): boolean {
  const [first = '', ...others] = args
  return ['--version', '-V'].includes(first) && others.every((arg) => arg === '--json')
}

/** What `authsec --version --json` prints. */
interface VersionOutput {
  version: string
}

/** Prints the version of the package. */
export function printVersion({ io, readVersion }: Context): void {
  const version = readVersion()
  if (io.manners.json) io.json<VersionOutput>({ version })
  else io.line(version)
}
