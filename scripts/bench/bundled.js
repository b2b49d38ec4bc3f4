import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const ROOT = path.join(import.meta.dirname, '../..')

/** Imports a module of the sources or the tests, which are TypeScript. */
export async function importSource(file) {
  // Below the packages, so that it finds them.
  const outfile = path.join(ROOT, 'node_modules/.cache/authsec-bench', `${path.basename(file, '.ts')}.mjs`)
  const options = { bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'silent' }
  await build({ absWorkingDir: ROOT, entryPoints: [file], outfile, ...options })
  return import(pathToFileURL(outfile).href)
}
