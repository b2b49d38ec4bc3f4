// Builds dist: the library entries by tsc, one file per source file with its types, and the command as a bundle.
//
// New files are written over the old ones and what no source file stands for any more is removed afterwards, so
// that a command or a test that runs meanwhile never finds dist empty.

import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleCommand } from './bundle.js'
import { writeManPages } from './man.js'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const kept = new Set([
  ...compileLibrary(),
  ...(await bundleCommand('dist/cli')),
  ...writeManPages('dist/man'),
])
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

function removeOthers(directory, kept) {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile() && !kept.has(file.replaceAll(path.sep, '/'))) rmSync(file)
  }
}
