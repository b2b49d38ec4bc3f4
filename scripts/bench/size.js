// What of the package a page or a function loads that uses some of its entries, as a bundler with code splitting makes
// it.

import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))

/**
 * The bytes of a bundle of everything that these entries export, such as `sdk`, minified and gzipped: `loaded` at once,
 * and `later` once something rarely needed is used. What comes from packages, or from the layers of `without`, is not
 * in it.
 */
export async function measureSize(entries, { without = [] } = {}) {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: entries.map((entry) => `export * from '../${entry}/index.js'`).join('\n'),
      resolveDir: DIST + entries[0],
    },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    // Names of what is external are read from here.
    absWorkingDir: path.join(DIST, entries[0]),
    external: without.map((layer) => `../${layer}/*`),
    outdir: 'bundle',
    metafile: true,
    write: false,
  })
  const atOnce = findLoaded(metafile.outputs)
  const sizes = { loaded: 0, later: 0 }
  for (const { path: file, contents } of outputFiles) {
    const isLoaded = atOnce.has(`bundle/${path.basename(file)}`)
    sizes[isLoaded ? 'loaded' : 'later'] += gzipSync(contents).length
  }
  return sizes
}

/** The files that are loaded with the first one. */
function findLoaded(outputs) {
  const loaded = new Set(Object.keys(outputs).filter((file) => outputs[file].entryPoint === '<stdin>'))
  for (const file of loaded) {
    for (const { path: imported, kind } of outputs[file].imports) {
      if (kind === 'import-statement' && imported in outputs) loaded.add(imported)
    }
  }
  return loaded
}
