import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { createMarkFile } from '../../src/server/high-water.js'
import { refusalOf } from '../support/authority-bench.js'
import { makeDirectory } from '../support/run-cli.js'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.js'

let directory: string
let file: string
beforeEach(async () => {
  directory = await makeDirectory()
  file = join(directory, 'mark')
})

const note = (origin: string, size: number, signatures = 1) =>
  [
    `${origin}\n${size}\n${Buffer.alloc(32).toString('base64')}\n`,
    ...Array.from({ length: signatures }, (_, at) => `— key${at} AAAAAAA=`),
  ]
    .join('\n')
    .concat('\n')
const read = async () => (await createMarkFile(file).read()).map(({ origin, size }) => `${origin} ${size}`)

describe('the high-water mark in a file', () => {
  test('is nothing before it was raised', async () => {
    expect(await read()).toEqual([])
  })

  test('keeps the highest head of each log, that of the log which was signed last at the end', async () => {
    const mark = createMarkFile(file)
    for (const text of [note('a', 1), note('a', 5, 2), note('b', 2), note('b', 3)]) await mark.raise(text)
    expect(await read()).toEqual(['a 5', 'b 3'])
    expect((await mark.read()).map((head) => head.note)).toEqual([note('a', 5, 2), note('b', 3)])
    expect(await readdir(directory)).toEqual(['mark'])
  })

  test('is not lowered by who comes late', async () => {
    const mark = createMarkFile(file)
    await mark.raise(note('a', 5))
    await mark.raise(note('a', 4))
    expect(await read()).toEqual(['a 5'])
  })

  test('is a file for its owner that does not grow for ever', async () => {
    const mark = createMarkFile(file)
    for (let log = 0; log < 70; log++) await mark.raise(note(`log${log}`, log))
    const kept = await read()
    expect(kept).toHaveLength(64)
    expect(kept.at(-1)).toBe('log69 69')
    expect(kept.at(0)).toBe('log6 6')
  })

  test('is read as the first version kept it', async () => {
    await writeFile(file, note('a', 5))
    expect(await read()).toEqual(['a 5'])
  })

  test.each([
    { what: 'empty', text: '' },
    { what: 'torn', text: note('a', 5).slice(0, 20) },
    { what: 'torn behind the first', text: `${note('a', 5)}\n${note('b', 5).slice(0, 4)}` },
    { what: 'something else', text: 'hello' },
  ])('is refused by name where it is $what, and stays as it is', async ({ text }) => {
    await writeFile(file, text)
    const mark = createMarkFile(file)
    for (const work of [mark.read, () => mark.raise(note('a', 9))]) {
      expect(await refusalOf(work())).toMatchObject({
        code: 'state_unreadable',
        message: `the high-water mark "${file}" holds no checkpoints`,
        hint: expect.stringContaining('move it away'),
      })
    }
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  test('names the file that cannot be kept', async () => {
    const mark = createMarkFile(join(directory, 'gone', 'mark'))
    expect(await mark.read()).toEqual([])
    expect(await refusalOf(mark.raise(note('a', 1)))).toMatchObject({
      code: 'state_unreadable',
      message: expect.stringContaining('cannot be kept (ENOENT)'),
    })
  })

  test.runIf(canMakeDisks)(
    'stays as it is on a disk that is full, and nothing is left beside it',
    async () => {
      const disk = makeSmallDisk(2 ** 20)
      file = join(dirname(disk.state), 'mark')
      const mark = createMarkFile(file)
      await mark.raise(note('a', 1))
      disk.leave(0)
      expect(await refusalOf(mark.raise(note('a', 2)))).toMatchObject({
        message: expect.stringContaining('cannot be kept (ENOSPC)'),
      })
      expect((await readdir(dirname(file))).sort()).toEqual(['ballast', 'mark'])
      expect(await read()).toEqual(['a 1'])
    },
  )
})
