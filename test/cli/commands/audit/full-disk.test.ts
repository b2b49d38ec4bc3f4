import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../../../support/run-cli.js'
import { serveCli } from '../../../support/served-cli.js'
import { canMakeDisks, makeSmallDisk } from '../../../support/small-disk.js'

const ROOM = 16 * 1024

/** A server whose log is larger than the room that is left on a disk. */
async function fillDisk() {
  const cli = await serveCli()
  while ((await cli.run(['audit', 'export'])).stdout.length < 2 * ROOM) await cli.server.exchange()
  const disk = makeSmallDisk(16 * ROOM)
  disk.leave(ROOM)
  return { cli, disk, directory: dirname(disk.state) }
}

test.runIf(canMakeDisks)(
  'an export that does not fit on the disk fails and leaves nothing behind',
  async () => {
    const { cli, directory } = await fillDisk()
    const out = join(directory, 'all.jsonl')
    for (const args of [[], ['--format', 'bundle']]) {
      const { code, stdout, stderr } = await cli.run(['audit', 'export', '--out', out, ...args])
      expect([code, stdout, stderr]).toEqual([
        2,
        '',
        expect.stringMatching(/^authsec: ".*all\.jsonl" cannot be written \(ENOSPC\)/),
      ])
      expect(await readdir(directory)).toEqual(['ballast'])
    }
    await cli.server.close()
  },
)

test.runIf(canMakeDisks)(
  'a tail whose file does not fit keeps no place beyond it, and loses nothing',
  async () => {
    const { cli, disk, directory } = await fillDisk()
    const [outputFile, cursorFile] = [join(directory, 'events'), join(await makeDirectory(), 'cursor')]
    const files = ['--output-file', outputFile, '--cursor-file', cursorFile]
    const tail = () => cli.run(['audit', 'tail', '-n', '1000', '--no-follow', '--json', ...files])
    expect(await tail()).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/events.* cannot be written \(ENOSPC\)/),
    })
    await expect(access(cursorFile)).rejects.toMatchObject({ code: 'ENOENT' })
    disk.leave(12 * ROOM)
    expect(await tail()).toMatchObject({ code: 0, stderr: '' })
    const seqs = (await readFile(outputFile, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).seq)
    const [, last] = /^(\d+):/.exec(await readFile(cursorFile, 'utf8')) ?? []
    expect([...new Set(seqs)]).toEqual(Array.from({ length: Number(last) + 1 }, (_, seq) => seq))
    await cli.server.close()
  },
)

test.runIf(canMakeDisks)('a log is read also where what was seen of it does not fit', async () => {
  const { cli, disk, directory } = await fillDisk()
  disk.leave(0)
  const args = ['audit', 'search', '--limit', '1']
  expect(await cli.run(args, { env: { AUTHSEC_CONFIG_DIR: directory } })).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('warning: what was seen of the audit log cannot be kept'),
  })
  await cli.server.close()
})
