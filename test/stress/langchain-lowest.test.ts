import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LOWEST = 'test/langchain/lowest'

// biome-ignore lint/suspicious/noExplicitAny: a manifest is whatever it says.
function readJson(path: string): any {
  return JSON.parse(readFileSync(`${ROOT}/${path}`, 'utf8'))
}

describe('the lowest supported versions of LangChain', () => {
  test('are those that the package allows', () => {
    const { peerDependencies } = readJson('package.json')
    const { dependencies } = readJson(`${LOWEST}/package.json`)
    const names = Object.keys(peerDependencies).filter((name) => name.includes('langchain'))
    expect(names.map((name) => peerDependencies[name])).toEqual(names.map((name) => `^${dependencies[name]}`))
  })

  // Here and not in `npm test`: it installs them, and that needs a registry.
  test.runIf(process.env['AUTHSEC_STRESS_ROUNDS'] !== undefined)('pass the same tests as the newest', () => {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: `${ROOT}/${LOWEST}` })
    const args = ['run', '--config', `${LOWEST}/vitest.config.mts`]
    const { status, stdout } = spawnSync('node_modules/.bin/vitest', args, { cwd: ROOT, encoding: 'utf8' })
    expect(status, stdout).toBe(0)
  })
})
