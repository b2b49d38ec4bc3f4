import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { lstat, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { writePrivateFile } from '../../src/cli/private-file.js'
import { prepareSecretFile } from '../../src/cli/secret-delivery.js'
import { makeDirectory } from '../support/run-cli.js'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.js'

describe('a private file', () => {
  test('is for its owner only, also where a looser one stood', async () => {
    const path = join(await makeDirectory(), 'new', 'secret')
    await writePrivateFile(path, 'a')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
    await writeFile(path, 'b', { mode: 0o644 })
    await writePrivateFile(path, 'c')
    expect(await readFile(path, 'utf8')).toBe('c')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('takes the place of a link instead of writing where it points', async () => {
    const directory = await makeDirectory()
    await writeFile(join(directory, 'elsewhere'), 'untouched')
    await symlink(join(directory, 'elsewhere'), join(directory, 'secret'))
    await writePrivateFile(join(directory, 'secret'), 'a')
    expect(await readFile(join(directory, 'elsewhere'), 'utf8')).toBe('untouched')
  })

  test('leaves a pipe and a device what they are', async () => {
    const pipe = join(await makeDirectory(), 'pipe')
    execFileSync('mkfifo', [pipe])
    const [text] = await Promise.all([readFile(pipe, 'utf8'), writePrivateFile(pipe, 'a')])
    expect(text).toBe('a')
    await writePrivateFile('/dev/null', 'b')
    expect((await lstat('/dev/null')).isCharacterDevice()).toBe(true)
  })

  // A file system in memory, as Linux has one among its devices.
  test.skipIf(!existsSync('/dev/shm'))('is one among the devices too, where it is no device', async () => {
    const path = `/dev/shm/authsec-test-${crypto.randomUUID()}`
    onTestFinished(() => rm(path, { force: true }))
    await writePrivateFile(path, 'a')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await expect(prepareSecretFile(path)).rejects.toMatchObject({ code: 'conflict' })
    expect(await readFile(path, 'utf8')).toBe('a')
  })

  test.runIf(canMakeDisks)('for a secret is refused where the disk has no room for one', async () => {
    const disk = makeSmallDisk(64 * 1024)
    disk.leave(0)
    const refusal = { code: 'configuration', message: expect.stringContaining('(ENOSPC)') }
    await expect(prepareSecretFile(disk.state)).rejects.toMatchObject(refusal)
    await expect(lstat(disk.state)).rejects.toMatchObject({ code: 'ENOENT' })
    disk.leave(32 * 1024)
    await prepareSecretFile(disk.state)
    expect(await readFile(disk.state, 'utf8')).toBe('')
  })

  test('leaves nothing behind when it cannot be written', async () => {
    const directory = await makeDirectory()
    await writePrivateFile(join(directory, 'folder', 'inside'), 'a')
    await expect(writePrivateFile(join(directory, 'folder'), 'b')).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/folder" cannot be written \(E\w+\)$/),
      hint: 'Name a place where you may write.',
    })
    expect(await readdir(directory)).toEqual(['folder'])
  })
})
