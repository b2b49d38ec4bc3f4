// Compares us with others in one run, on one machine, in turns: npm run bench, or npm run bench -- NAME for one of the
// subjects. Each has a process of its own, as it has where it is used: what another one has taught the compiler tells
// on it. Prints ratios and never times, because a time says more about the machine than about the program.
//
// An aim is printed as met or missed. The exit code does not depend on it, so that a busy machine is no failure: it is
// 1 when something could not be measured, such as a server that gives any other answer than the right one.

import { spawnSync } from 'node:child_process'
import { audit } from './bench/audit.js'
import { client } from './bench/client.js'
import { exchange } from './bench/exchange.js'
import { groupCommit } from './bench/group-commit.js'
import { mint } from './bench/mint.js'
import { formatLine } from './bench/ratio.js'
import { replicas } from './bench/replicas.js'
import { startUp } from './bench/start-up.js'
import { verification } from './bench/verification.js'

/** What is measured: each has a name, a title and `measure`, which resolves with the ratios. */
const SUBJECTS = [startUp, exchange, mint, replicas, groupCommit, audit, client, verification]

const names = process.argv.slice(2)
const unknown = names.find((name) => !SUBJECTS.some((subject) => subject.name === name))
if (unknown !== undefined) {
  const known = SUBJECTS.map(({ name }) => name).join(', ')
  process.stderr.write(`bench: no subject ${JSON.stringify(unknown)}\nhint: There are ${known}.\n`)
  process.exitCode = 2
} else {
  const [first, ...others] = SUBJECTS.filter(({ name }) => names.length === 0 || names.includes(name))
  if (others.length === 0) await run(first)
  else for (const { name } of [first, ...others]) runApart(name)
}

function runApart(name) {
  const { status } = spawnSync(process.execPath, [import.meta.filename, name], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}

async function run({ name, title, measure }) {
  process.stderr.write(`bench: measuring ${name}\n`)
  try {
    const ratios = await measure()
    process.stdout.write(`${title}\n${ratios.map((line) => `${formatLine(line)}\n`).join('')}`)
  } catch (error) {
    process.stderr.write(`bench: ${name} could not be measured: ${error.message}\n`)
    process.exitCode = 1
  }
}
