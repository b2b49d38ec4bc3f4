// Everything that can be said about the package without running its tests, one tool after another: format and lint,
// types, unused code, what a consumer of the packed tarball will find, and that what is generated is up to date.
// All of them run even when one fails, because they tell different things; any failure is the result. What is about the
// sources runs beside what is about the package, each with its output in one piece.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const packed = mkdtempSync(path.join(tmpdir(), 'authsec-check-'))
const tarball = path.join(packed, `${name}-${version}.tgz`)

const build = { command: [process.execPath, 'scripts/build.js'] }
const ofSources = [
  { command: [tool('biome'), 'check', '--error-on-warnings'] },
  { command: [tool('tsc'), '-p', 'tsconfig.json'] },
  { command: [tool('knip')] },
  { what: 'no package-lock.json names a download address', run: findDownloadAddress },
]
const ofBuild = [
  // Without scripts: what is packed has just been built.
  { command: ['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', packed] },
  { command: [tool('publint'), 'run', tarball, '--strict'] },
  { command: [tool('attw'), tarball, '--profile', 'esm-only'] },
  { command: [process.execPath, 'scripts/docs.js', '--check'] },
]

// First, because some of the sources name the package, whose types are of the build.
const failures = await listFailures([build])
failures.push(...(await Promise.all([ofSources, ofBuild].map(listFailures))).flat())
rmSync(packed, { recursive: true })

const count = 1 + ofSources.length + ofBuild.length
if (failures.length > 0) {
  process.stderr.write(`\ncheck: ${failures.length} of ${count} failed\n`)
  for (const failure of failures) process.stderr.write(`  ${describeCheck(failure)}\n`)
  process.exitCode = 1
} else {
  process.stderr.write(`\ncheck: all ${count} passed\n`)
}

/** Runs checks one after another, and says which of them have failed. */
async function listFailures(checks) {
  const failures = []
  for (const check of checks) {
    const { passes, output } = await (check.command === undefined ? ask(check) : run(check))
    process.stderr.write(`\n> ${describeCheck(check)}\n${output}`)
    if (!passes) failures.push(check)
  }
  return failures
}

function ask(check) {
  const problem = check.run()
  return { passes: problem === undefined, output: problem === undefined ? '' : `${problem}\n` }
}

function run({ command: [program, ...args] }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ passes: code === 0, output }))
  })
}

function describeCheck({ what, command }) {
  if (command === undefined) return what
  return command.map((part) => part.replace(packed, '…').replace(/^.*\/(?=[^/]+$)/, '')).join(' ')
}

// The registry that one contributor uses is nobody else's: npm finds each package by its name and integrity.
function findDownloadAddress() {
  const line = ['package-lock.json', 'test/bench/package-lock.json']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .find((text) => /"resolved": "(?:https?|git)/.test(text))
  return line === undefined ? undefined : `found ${line.trim()}`
}

function tool(name) {
  return path.join('node_modules', '.bin', name)
}
