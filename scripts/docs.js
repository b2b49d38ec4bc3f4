// Keeps the command reference of README.md what the command itself says: rewrites the block between the two markers
// from `authsec help --json` of the built command. With --check it changes nothing and fails when the block differs.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const START = '<!-- reference:start -->'
const END = '<!-- reference:end -->'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })

const before = readFileSync('README.md', 'utf8')
const [head, rest] = cut(before, START)
const [, tail] = cut(rest, END)
const after = `${head}${START}\n\n${writeReference(readCommands())}\n${END}${tail}`

if (before === after) {
  process.stderr.write('docs: README.md is up to date\n')
} else if (values.check) {
  process.stderr.write('docs: the reference in README.md is out of date\nhint: Run npm run docs.\n')
  process.exitCode = 1
} else {
  writeFileSync('README.md', after)
  process.stderr.write('docs: README.md was rewritten\n')
}

function cut(text, marker) {
  const index = text.indexOf(marker)
  if (index < 0) throw new Error(`README.md has no ${marker}`)
  return [text.slice(0, index), text.slice(index + marker.length)]
}

function readCommands() {
  const output = execFileSync(process.execPath, ['bin/authsec.js', 'help', '--json'], { encoding: 'utf8' })
  return listCommands(JSON.parse(output))
}

/** The commands that do something, without the groups that only hold them. */
function listCommands(command) {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(listCommands)
}

function writeReference(commands) {
  return commands.map(writeCommand).join('\n')
}

function writeCommand({ command, summary, usage, arguments: args, flags, exit_codes: exits }) {
  const rows = [...args, ...flags].map(
    ({ name, description }) => `| ${code(name)} | ${cell(description)} |\n`,
  )
  return [
    `#### ${code(command)}\n\n`,
    `${summary[0].toUpperCase()}${summary.slice(1)}.\n\n`,
    `\`\`\`text\n${usage}\n\`\`\`\n\n`,
    rows.length === 0 ? '' : `| Argument or flag | Meaning |\n|---|---|\n${rows.join('')}\n`,
    writeExits(Object.entries(exits)),
  ].join('')
}

function writeExits(exits) {
  if (exits.length === 0) return ''
  return `Exit codes: ${exits.map(([code, meaning]) => `${code} ${meaning}`).join('; ')}.\n`
}

function code(text) {
  return `\`${cell(text)}\``
}

function cell(text) {
  return text.replaceAll('|', '\\|')
}
