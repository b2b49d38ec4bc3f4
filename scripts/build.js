// Builds dist: the library entries by tsc, one file per source file with its types, and the command as a bundle, with
// its manual pages and the schemas of what it prints.
//
// New files are written over the old ones and what no source file stands for any more is removed afterwards, so
// that a command or a test that runs meanwhile never finds dist empty. Where dist is already what these sources make,
// it is left alone: `npm test` and `npm run check` build too.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
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

const SOURCES = [
  'bin',
  'package-lock.json',
  'package.json',
  'scripts',
  'src',
  'tsconfig.build.json',
  'tsconfig.json',
]
/** Gone with the packages that the last build was made with. */
const LAST_BUILD = 'node_modules/.cache/authsec/build'

const sources = hashFiles(SOURCES)
if (readLastBuild() !== describeBuild()) {
  const compiling = compileLibrary()
  const kept = [
    ...(await bundleCommand('dist/cli')),
    ...writeManPages('dist/man'),
    ...writeSchemas('dist/schemas'),
    ...(await compiling),
  ]
  // On Windows some of them are written with slashes, and some as the system does.
  removeOthers('dist', new Set(kept.map(path.normalize)))
  mkdirSync(path.dirname(LAST_BUILD), { recursive: true })
  writeFileSync(LAST_BUILD, describeBuild())
}

function readLastBuild() {
  try {
    return readFileSync(LAST_BUILD, 'utf8')
  } catch {
    return undefined
  }
}

function describeBuild() {
  return `${sources} makes ${hashFiles(['dist'])}\n`
}

/** The hash of the names and contents of files, and of all files in directories; what is not there has none. */
function hashFiles(places) {
  const hash = createHash('sha256')
  for (const file of places.flatMap(listFiles)) {
    const content = readFileSync(file)
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

function listFiles(place) {
  const status = statSync(place, { throwIfNoEntry: false })
  if (!status?.isDirectory()) return status ? [place] : []
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

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
  for (const file of listFiles(directory)) {
    if (!kept.has(file)) rmSync(file)
  }
}
