import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const ROOT = path.join(import.meta.dirname, '../..')

/** Imports a module of the sources or the tests, which are TypeScript. */
export async function importSource(file) {
  return import(pathToFileURL(await bundleSource(file)).href)
}

/** Makes one module of a file and whatever it imports of ours, and says where it is. */
export async function bundleSource(file, { name = path.parse(file).name, plugins = [] } = {}) {
  // Below the packages, so that it finds them.
  const outfile = path.join(ROOT, 'node_modules/.cache/authsec-bench', `${name}.mjs`)
  const options = { bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'silent' }
  await build({ absWorkingDir: ROOT, entryPoints: [file], outfile, plugins, ...options })
  return outfile
}
