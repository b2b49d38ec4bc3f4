// Everything that can be said about the package without running its tests, one tool after another: format and lint,
// types, unused code, what a consumer of the packed tarball will find, and that what is generated is up to date.
// All of them run even when one fails, because they tell different things; any failure is the result.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const packed = mkdtempSync(path.join(tmpdir(), 'authsec-check-'))
const tarball = path.join(packed, `${name}-${version}.tgz`)

const checks = [
  { command: [process.execPath, 'scripts/build.js'] },
  { command: [tool('biome'), 'check', '--error-on-warnings'] },
  { command: [tool('tsc'), '-p', 'tsconfig.json'] },
  { command: [tool('knip')] },
  // Without scripts: the first check has just built what is packed.
  { command: ['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', packed] },
  { command: [tool('publint'), 'run', tarball, '--strict'] },
  { command: [tool('attw'), tarball, '--profile', 'esm-only'] },
  { command: [process.execPath, 'scripts/docs.js', '--check'] },
  { what: 'no package-lock.json names a download address', run: findDownloadAddress },
]

const failures = checks.filter((check) => !passes(check)).map(describeCheck)
rmSync(packed, { recursive: true })

if (failures.length > 0) {
  process.stderr.write(`\ncheck: ${failures.length} of ${checks.length} failed\n`)
  for (const failure of failures) process.stderr.write(`  ${failure}\n`)
  process.exitCode = 1
} else {
  process.stderr.write(`\ncheck: all ${checks.length} passed\n`)
}

function passes(check) {
  process.stderr.write(`\n> ${describeCheck(check)}\n`)
  if (check.command === undefined) {
    const problem = check.run()
    if (problem !== undefined) process.stderr.write(`${problem}\n`)
    return problem === undefined
  }
  const [program, ...args] = check.command
  return spawnSync(program, args, { stdio: 'inherit' }).status === 0
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
