// Keeps the command reference of README.md what the command itself says: rewrites the block between the two markers
// from `authsec help` of the built command. With --check it changes nothing and fails when the block differs.

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
const after = `${head}${START}\n\n${writeReference()}\n${END}${tail}`

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

function writeReference() {
  const commands = listCommands(ask('help', '--json'))
  const everywhere = commands[0].flags.filter((flag) => commands.every((command) => hasFlag(command, flag)))
  return [
    `Every command takes these flags as well.\n\n${writeTable('Flag', everywhere)}`,
    ...commands.map((command) => writeCommand(command, everywhere)),
    `#### Exit codes\n\n${writeTable('Code', listPairs(ask('help', 'exit-codes', '--json')))}`,
    `#### Environment\n\n${writeTable('Variable', listPairs(ask('help', 'environment', '--json')))}`,
  ].join('\n')
}

function ask(...args) {
  return JSON.parse(execFileSync(process.execPath, ['bin/authsec.cjs', ...args], { encoding: 'utf8' }))
}

/** The commands that do something, without the groups that only hold them. */
function listCommands(command) {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(listCommands)
}

function writeCommand({ command, summary, usage, arguments: args, flags, exit_codes: exits }, everywhere) {
  const own = flags.filter((flag) => !hasFlag({ flags: everywhere }, flag))
  return [
    `#### ${code(command)}\n\n`,
    `${summary[0].toUpperCase()}${summary.slice(1)}.\n\n`,
    `\`\`\`text\n${usage}\n\`\`\`\n\n`,
    writeTable('Argument or flag', [...args, ...own]),
    args.length + own.length > 0 ? '\n' : '',
    `Exit codes: ${Object.keys(exits).join(', ')}.\n`,
  ].join('')
}

function hasFlag({ flags }, { name, description }) {
  return flags.some((flag) => flag.name === name && flag.description === description)
}

function listPairs(object) {
  return Object.entries(object).map(([name, description]) => ({ name, description }))
}

function writeTable(title, rows) {
  if (rows.length === 0) return ''
  const lines = rows.map(({ name, description }) => `| ${code(name)} | ${cell(description)} |\n`)
  return `| ${title} | Meaning |\n|---|---|\n${lines.join('')}`
}

function code(text) {
  return `\`${cell(text)}\``
}

function cell(text) {
  return text.replaceAll('|', '\\|')
}
