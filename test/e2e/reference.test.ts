import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

test('the reference and the support matrix in README.md are what the command and the server say themselves', () => {
  const run = spawnSync(process.execPath, ['scripts/docs.js', '--check'], { cwd: ROOT, encoding: 'utf8' })
  expect(run).toMatchObject({ status: 0, stdout: '', stderr: 'docs: README.md is up to date\n' })
}, 120_000)
