import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withFileLock } from '../../src/cli/file-lock.js'
import { makeDirectory } from '../support/run-cli.js'

/** A file with a number in it, and how to add one to that. */
async function makeCounter(...folders: string[]) {
  const path = join(await makeDirectory(), ...folders, 'counter')
  const read = async () => Number(await readFile(path, 'utf8').catch(() => '0'))
  const increase = () => withFileLock(path, async () => writeFile(path, String((await read()) + 1)))
  return { path, read, increase }
}

test('of those who change a file at once, none undoes what another did', async () => {
  const { read, increase } = await makeCounter('new', 'folder')
  await Promise.all(Array.from({ length: 20 }, increase))
  expect(await read()).toBe(20)
})

test('what fails lets the next one in', async () => {
  const { path, read, increase } = await makeCounter()
  await expect(withFileLock(path, () => Promise.reject(new Error('no room')))).rejects.toThrow('no room')
  await increase()
  expect(await read()).toBe(1)
})

test.each([
  { what: 'that is older than any change takes', seconds: -11 },
  { what: 'from a time that a clock set back has not reached', seconds: 11 },
])('a lock $what was left by a crash, and keeps nobody out', async ({ seconds }) => {
  const { path, read, increase } = await makeCounter()
  await writeFile(`${path}.lock`, '')
  const then = Date.now() / 1000 + seconds
  await utimes(`${path}.lock`, then, then)
  await Promise.all(Array.from({ length: 5 }, increase))
  expect(await read()).toBe(5)
})
