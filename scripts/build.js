// Builds dist: the library entries by tsc, one file per source file with its types, and the command as a bundle, with
// its manual pages and the schemas of what it prints.
//
// New files are written over the old ones and what no source file stands for any more is removed afterwards, so
// that a command or a test that runs meanwhile never finds dist empty.

import { execFile } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bundleCommand } from './bundle.js'
import { writeManPages } from './man.js'
import { writeSchemas } from './schemas.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const compiling = compileLibrary()
const kept = new Set([
  ...(await bundleCommand('dist/cli')),
  ...writeManPages('dist/man'),
  ...writeSchemas('dist/schemas'),
  ...(await compiling),
])
removeOthers('dist', kept)

/** Compiles the library entries and returns what was written. */
async function compileLibrary() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  try {
    const { stdout } = await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--listEmittedFiles'])
    return [...stdout.matchAll(/^TSFILE: (.+)$/gm)].map(([, file]) => path.relative(root, file))
  } catch (error) {
    // Not the stack of this script: what the compiler says is the whole story.
    process.stderr.write(String(error.stdout || error.stderr || error.message).replace(/^TSFILE: .+\n/gm, ''))
    process.exit(1)
  }
}

function removeOthers(directory, kept) {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile() && !kept.has(file.replaceAll(path.sep, '/'))) rmSync(file)
  }
}
