import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isMissing } from '../support/system-program.js'

const ROOT = join(import.meta.dirname, '../..')

interface Help {
  command: string
  flags: { name: string }[]
  commands: Help[]
}

let directory: string
let leaves: Help[]
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'authsec-man-'))
  execFileSync(process.execPath, [join(ROOT, 'scripts/man.js'), directory])
  const help = execFileSync(process.execPath, [join(ROOT, 'bin/authsec.cjs'), 'help', '--json'], {
    encoding: 'utf8',
  })
  leaves = listLeaves(JSON.parse(help))
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the manual pages', () => {
  test('are one for each command, and one for authsec', () => {
    const expected = ['authsec', ...leaves.map(({ command }) => command.replaceAll(' ', '-'))]
    expect(readdirSync(directory).sort()).toEqual(expected.map((name) => `${name}.1`).sort())
  })

  test('name every flag of their command', () => {
    const missing = leaves.flatMap(({ command, flags }) => {
      const page = readFileSync(join(directory, `${command.replaceAll(' ', '-')}.1`), 'utf8').replaceAll(
        '\\-',
        '-',
      )
      return flags.filter(({ name }) => !page.includes(name)).map(({ name }) => `${command} ${name}`)
    })
    expect(missing).toEqual([])
  })

  test.skipIf(isMissing('mandoc'))('are read by mandoc without a warning', () => {
    const pages = readdirSync(directory).map((name) => join(directory, name))
    const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', ...pages], {
      encoding: 'utf8',
    })
    // A page that says nothing of its date is the same whenever it is built.
    const complaints = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line !== '' && !line.includes('missing date'))
    expect(complaints).toEqual([])
  })
})

function listLeaves(help: Help): Help[] {
  return help.commands.length === 0 ? [help] : help.commands.flatMap(listLeaves)
}
