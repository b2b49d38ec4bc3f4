// Keeps the command reference and the support matrix of README.md what the command and the server themselves say:
// rewrites the blocks between two markers each, from `authsec help` of the built command and from `/dev/support` of
// the built server. With --check it changes nothing and fails when a block differs.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })

const before = readFileSync('README.md', 'utf8')
const after = [
  ['reference', writeReference()],
  ['support', writeMatrix(await askServer('/dev/support'))],
].reduce((text, [name, content]) => replaceBlock(text, name, content), before)

if (before === after) {
  process.stderr.write('docs: README.md is up to date\n')
} else if (values.check) {
  process.stderr.write('docs: README.md is out of date\nhint: Run npm run docs.\n')
  process.exitCode = 1
} else {
  writeFileSync('README.md', after)
  process.stderr.write('docs: README.md was rewritten\n')
}

function replaceBlock(text, name, content) {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const [head, rest] = cut(text, start)
  const [, tail] = cut(rest, end)
  return `${head}${start}\n\n${content}\n${end}${tail}`
}

function cut(text, marker) {
  const index = text.indexOf(marker)
  if (index < 0) throw new Error(`README.md has no ${marker}`)
  return [text.slice(0, index), text.slice(index + marker.length)]
}

async function askServer(path) {
  const { startServer } = await import('../dist/server/index.js')
  const server = await startServer({ state: ':memory:', port: 0 })
  const reply = await server.fetch(new Request(`${server.url}${path}`))
  const answer = await reply.json()
  await server.close()
  return answer
}

function writeMatrix({ endpoints, absent }) {
  const rows = endpoints.map(({ method, paths, speaks, summary, differences = '', modes, quirk }) => [
    `${code(method)} ${foldPrefix(paths).map(code).join(', ')}`,
    cell(speaks),
    cell(summary),
    cell(differences),
    quirk === undefined ? modes.join(', ') : `${modes.join(', ')}, only with ${code(`--quirks ${quirk}`)}`,
  ])
  const missing = absent.map(({ what, speaks, reason }) => [what, speaks, reason].map(cell))
  return [
    writeRows(['Endpoint', 'Speaks', 'What it does', 'Where it differs', 'Modes'], rows),
    'Not served:\n',
    writeRows(['What', 'Whose', 'Why, and what happens'], missing),
  ].join('\n')
}

/** A path that is served with and without the prefix is one path with a prefix in brackets. */
function foldPrefix(paths) {
  const bare = paths.filter((path) => paths.includes(`/authsec${path}`))
  const others = paths.filter(
    (path) => !bare.includes(path) && !bare.includes(path.replace(/^\/authsec/, '')),
  )
  return [...bare.map((path) => `[/authsec]${path}`), ...others]
}

function writeRows(titles, rows) {
  const lines = [titles, titles.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function writeReference() {
  const commands = listCommands(ask('help', '--json'))
  // Those that are about JSON stand with the others, though a command without JSON has none of them.
  const ofJson = commands.filter(({ flags }) => flags.some(({ name }) => name === '--json'))
  const everywhere = ofJson[0].flags
    .filter((flag) => ofJson.every((command) => hasFlag(command, flag)))
    .filter(({ name }) => name !== '--json')
  return [
    `Every command takes these flags as well; \`--fields\` and \`--jq\` where it prints JSON.\n\n${writeTable('Flag', everywhere)}`,
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
