// Bundles the command into a directory, for a start that costs little: whatever is imported lazily is one CommonJS
// file, complete in itself. Every file that is opened is felt at each call, and so are every line in it that is not
// needed and the loader of ES modules.
//
// On its own: node scripts/bundle.js DIRECTORY

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMMANDS = 'src/cli/commands'
/** The commands that do with a state what only a server does otherwise: each holds most of one. */
const ON_THE_STATE = /^(dev-(recover|reindex|reset|snapshot)|keys-rewrap)/

/**
 * The start, each command, what verifies, and what a terminal needs: small, so each has its own copy of what it
 * shares. A lazy import of what is no part makes esbuild put each module of a file into a function of its own, and
 * then it takes twice as long to compile.
 */
const SMALL_PARTS = {
  main: 'src/cli/main.ts',
  ...Object.fromEntries(listCommands().filter(([part]) => !ON_THE_STATE.test(part))),
  'claim-meanings': 'src/cli/claim-meanings.ts',
  'foreign-token': 'src/cli/foreign-token.ts',
  'server-trust': 'src/cli/server-trust.ts',
  verifier: 'src/verify/index.ts',
  chalk: 'chalk',
  'cli-table3': 'cli-table3',
  'json-selection': 'src/cli/json-selection.ts',
}

/** What is large shares what it has in common. */
const LARGE_PARTS = {
  server: 'src/server/index.ts',
  demo: 'src/demo/story.ts',
  ...Object.fromEntries(listCommands().filter(([part]) => ON_THE_STATE.test(part))),
  inquirer: 'inquirer',
  conf: 'conf',
}

const COMMON_JS = {
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  // An import() left as it is would start the loader of ES modules, even for a module of Node.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.dirname': '__dirname' },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
}

// To who imports a CommonJS file its default export is all that it exports.
const DEFAULT_EXPORT =
  'if (module.exports.default) module.exports = Object.assign(module.exports.default, module.exports);'

const BUNDLE = {
  absWorkingDir: ROOT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  // Native modules, WebAssembly with its file beside it, and the optional peers: they are found where the package is
  // installed.
  external: ['libsql', '@napi-rs/keyring', 'jq-wasm', 'langchain', '@langchain/*'],
  write: false,
  metafile: true,
  logLevel: 'warning',
}

/** Bundles the command and returns what was written, relative to the working directory. */
export async function bundleCommand(directory) {
  const outdir = path.resolve(directory)
  const small = await build({
    ...BUNDLE,
    ...COMMON_JS,
    entryPoints: SMALL_PARTS,
    outdir,
    plugins: [lazyParts, withoutChildProcess],
  })
  // esbuild splits ES modules only, so each piece becomes CommonJS afterwards.
  const large = await build({ ...BUNDLE, entryPoints: LARGE_PARTS, outdir, splitting: true, format: 'esm' })

  mkdirSync(outdir, { recursive: true })
  for (const { path: file, text } of small.outputFiles) writeFileSync(file, text)
  for (const { path: file, text } of large.outputFiles) {
    writeFileSync(file, (await transform(text, { ...COMMON_JS, footer: DEFAULT_EXPORT })).code)
  }
  const notices = path.join(outdir, 'THIRD-PARTY-NOTICES.txt')
  writeFileSync(notices, describeLicenses(bundledPackages([small, large])))
  const written = [...small.outputFiles, ...large.outputFiles].map((file) => file.path)
  return [...written, notices].map((file) => path.relative('', file))
}

/** Makes a lazy import of a part one of its file. */
const lazyParts = {
  name: 'lazy-parts',
  setup({ onResolve }) {
    const parts = Object.entries({ ...SMALL_PARTS, ...LARGE_PARTS })
    onResolve({ filter: /./ }, ({ kind, path: specifier, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined
      const source = path.relative(ROOT, path.resolve(resolveDir, specifier)).replaceAll(path.sep, '/')
      const part = parts.find(([, entry]) => [specifier, source.replace(/\.js$/, '.ts')].includes(entry))
      return part && { path: `./${part[0]}.cjs`, external: true }
    })
  },
}

/** commander loads it at once, for subcommands that are programs of their own: there are none here. */
const withoutChildProcess = {
  name: 'without-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer, path: specifier }) =>
      /[\\/]node_modules[\\/]commander[\\/]/.test(importer)
        ? { path: specifier, namespace: 'left-out' }
        : undefined,
    )
    onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** Every file under `src/cli/commands` by the words that call the command: `token-decode`. */
function listCommands() {
  const files = readdirSync(path.join(ROOT, COMMANDS), { recursive: true }).map(String)
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replaceAll(path.sep, '/'))
    .map((file) => [file.replace(/\.ts$/, '').replaceAll('/', '-'), `${COMMANDS}/${file}`])
}

/** The directories of the packages that went into the bundle. */
function bundledPackages(builds) {
  const outputs = builds.flatMap(({ metafile }) => Object.values(metafile.outputs))
  const used = outputs.flatMap(({ inputs }) => Object.keys(inputs))
  const directories = used.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
  return [...new Set(directories)].filter((directory) => directory !== undefined).sort()
}

/** The licenses of the bundled packages: they ask to be passed on with every copy. */
function describeLicenses(directories) {
  return directories
    .map((directory) => {
      const { name, version, license } = JSON.parse(
        readFileSync(path.join(directory, 'package.json'), 'utf8'),
      )
      const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry))
      const text = file === undefined ? '' : readFileSync(path.join(directory, file), 'utf8').trim()
      return `${name} ${version} (${license})\n\n${text}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleCommand(process.argv[2] ?? 'dist/cli')
