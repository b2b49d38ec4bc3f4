// Builds dist: the library entries by tsc, one file per source file with its types, and the command by esbuild, as
// few files as lazy loading allows, because every file that is opened is felt at each start of the command.
//
// New files are written over the old ones and what no source file stands for any more is removed afterwards, so
// that a command or a test that runs meanwhile never finds dist empty.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const kept = new Set([...compileLibrary(), ...(await bundleCommand())])
removeOthers('dist', kept)

/** Compiles the library entries and returns what was written. */
function compileLibrary() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  try {
    const output = execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--listEmittedFiles'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return [...output.matchAll(/^TSFILE: (.+)$/gm)].map(([, file]) => path.relative(root, file))
  } catch (error) {
    // Not the stack of this script: what the compiler says is the whole story.
    process.stderr.write(String(error.stdout ?? error.message).replace(/^TSFILE: .+\n/gm, ''))
    process.exit(1)
  }
}

/** Bundles the command and returns what was written. */
async function bundleCommand() {
  const entry = 'src/cli/main.ts'
  if (!existsSync(entry)) return []

  const { metafile } = await build({
    entryPoints: [entry],
    outdir: 'dist/cli',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // A native module, and the optional peers: they are found where the package is installed.
    external: ['libsql', 'langchain', '@langchain/*'],
    // Bundled CommonJS packages call require() for Node's own modules, which an ES module does not have.
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'\nconst require = createRequireHere(import.meta.url)",
    },
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  })
  const notices = 'dist/cli/THIRD-PARTY-NOTICES.txt'
  writeFileSync(notices, describeLicenses(bundledPackages(metafile)))
  return [...Object.keys(metafile.outputs), notices]
}

/** The directories of the packages that went into the bundle. */
function bundledPackages(metafile) {
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs))
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

function removeOthers(directory, kept) {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile() && !kept.has(file.replaceAll(path.sep, '/'))) rmSync(file)
  }
}
