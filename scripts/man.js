// Writes a manual page for each command, and one for authsec itself, from what `authsec help` of the built command
// says.
//
// On its own: node scripts/man.js DIRECTORY

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Writes the pages into a directory and returns what was written, relative to the working directory. */
export function writeManPages(directory) {
  const program = askHelp()
  const version = askVersion()
  const pages = [program, ...listLeaves(program)].map((command) => [nameOf(command), command])
  mkdirSync(directory, { recursive: true })
  return pages.map(([name, command]) => {
    const file = path.join(directory, `${name}.1`)
    writeFileSync(file, writePage(name, command, version, pages))
    return path.relative('', file)
  })
}

function askHelp() {
  return JSON.parse(ask('help', '--json'))
}

function askVersion() {
  return ask('--version').trim()
}

function ask(...args) {
  const options = { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }
  return execFileSync(process.execPath, [path.join(ROOT, 'bin/authsec.cjs'), ...args], options)
}

function listLeaves(command) {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(listLeaves)
}

function nameOf({ command }) {
  return command.replaceAll(' ', '-')
}

function writePage(name, command, version, pages) {
  const { summary, details, usage, examples, arguments: args, flags, exit_codes: exits, commands } = command
  const others = commands.length > 0 ? pages.slice(1).map(([other]) => other) : ['authsec']
  return [
    `.TH ${name.toUpperCase()} 1 "" "authsec ${version}" "authsec"`,
    section('NAME', `${text(name)} \\- ${text(summary)}`),
    section('SYNOPSIS', `.B ${text(usage)}`),
    details && section('DESCRIPTION', text(details)),
    section('EXAMPLES', ...examples.map(({ line, purpose }) => `.TP\n${text(purpose)}\n.B ${text(line)}`)),
    section(
      'COMMANDS',
      ...listLeaves(command)
        .filter((leaf) => leaf !== command)
        .map(describeCommand),
    ),
    section('ARGUMENTS', ...args.map(describeItem)),
    section('OPTIONS', ...flags.map(describeItem)),
    section('EXIT STATUS', ...Object.entries(exits).map(([code, meaning]) => item(code, meaning))),
    section('SEE ALSO', others.map((other) => `.BR ${text(other)} (1)`).join(',\n')),
    '',
  ]
    .filter((part) => part !== undefined && part !== '')
    .join('\n')
    .concat('\n')
}

function describeCommand({ command, summary }) {
  return item(command, summary)
}

function describeItem({ name, description }) {
  return item(name, description)
}

function item(name, meaning) {
  return `.TP\n.B ${text(name)}\n${text(meaning)}`
}

function section(title, ...parts) {
  const content = parts.filter((part) => part !== '')
  return content.length === 0 ? '' : `.SH ${title}\n${content.join('\n')}`
}

// A backslash, a dash and what begins a line mean something to roff.
function text(value) {
  return value
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeManPages(process.argv[2] ?? 'dist/man')
