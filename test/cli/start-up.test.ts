import { join } from 'node:path'
import { build, type Metafile } from 'esbuild'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** What is loaded before a command has been chosen: everything that is imported statically from main.ts. */
async function bundleStart(): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/cli/main.ts'],
    outdir: 'out',
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    metafile: true,
    // Only what is loaded at once matters here.
    plugins: [
      {
        name: 'lazy',
        setup: (plugin) =>
          plugin.onResolve({ filter: /./ }, ({ kind, path }) =>
            kind === 'dynamic-import' ? { path, external: true } : undefined,
          ),
      },
    ],
  })
  return metafile
}

describe('the start of the command', () => {
  test('loads commander and nothing else', async () => {
    const { inputs } = await bundleStart()
    const packages = Object.values(inputs).flatMap(({ imports }) =>
      imports.filter(({ external, kind }) => external && kind === 'import-statement').map(({ path }) => path),
    )
    expect([...new Set(packages)].filter((path) => !path.startsWith('node:'))).toEqual([
      '@commander-js/extra-typings',
    ])
  })

  test('loads none of the modules of Node that cost time', async () => {
    const { inputs } = await bundleStart()
    const modules = Object.values(inputs).flatMap(({ imports }) =>
      imports
        .filter(({ path, kind }) => path.startsWith('node:') && kind === 'import-statement')
        .map(({ path }) => path),
    )
    expect([...new Set(modules)].sort()).toEqual(['node:os', 'node:path'])
  })

  test('reads no source but the command line, the API and the rules', async () => {
    const { inputs } = await bundleStart()
    const layers = Object.keys(inputs).map((file) => file.split('/')[1])
    expect([...new Set(layers)].sort()).toEqual(['api', 'cli', 'core'])
  })
})
