import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { decodeText } from '../../src/cli/decoded-text.js'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { createBundleFiles, createLogKey, createLogRecord, writeFiles } from '../support/sealed-bundle.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const withLongLines = (text: string) => text.replaceAll('\n', '\r\n')

/** How Windows saves a text. */
const FORMS: readonly { how: string; save: (text: string) => Buffer }[] = [
  { how: '> of Windows PowerShell', save: (text) => Buffer.from(`\ufeff${withLongLines(text)}`, 'utf16le') },
  { how: '> of PowerShell 7', save: (text) => Buffer.from(withLongLines(text)) },
  { how: 'Notepad, with a mark', save: (text) => Buffer.from(`\ufeff${withLongLines(text)}`) },
]

describe('a text as it is saved by', () => {
  const token = `${formatUnsignedJwt({ alg: 'ES256', typ: 'at+jwt' }, { iss: 'https://auth.example', sub: 'ü' })}\n`

  test.each(FORMS)('$how is read as it was written', ({ save }) => {
    expect(decodeText(save('one\n{"zwei": "ü"}\n'))).toBe('one\n{"zwei": "ü"}\n')
  })

  test.each(FORMS)('$how is a token, in a file and piped in', async ({ save }) => {
    const file = join(await makeDirectory(), 'token.jwt')
    await writeFile(file, save(token))
    const plain = await runCli(['token', 'decode', '-', '--json'], { stdin: token })
    expect(await runCli(['token', 'decode', file, '--json'])).toEqual(plain)
    expect(await runCli(['token', 'decode', '-', '--json'], { stdin: save(token) })).toEqual(plain)
  })

  test.each(FORMS)('$how is the checkpoint of a log, kept apart and in its bundle', async ({ save }) => {
    const key = createLogKey()
    const files = createBundleFiles([createLogRecord(0)], [key])
    const directory = join(await makeDirectory(), 'bundle')
    await writeFiles(directory, files)
    const [checkpoint, kept] = [join(directory, 'checkpoint'), join(await makeDirectory(), 'kept')]
    const saved = save(await readFile(checkpoint, 'utf8'))
    await Promise.all([checkpoint, kept].map((file) => writeFile(file, saved)))
    const args = ['audit', 'verify', directory, '--key', key.text, '--checkpoint', kept]
    expect(await runCli(args)).toMatchObject({ code: 0, stdout: expect.stringContaining('INTACT') })
  })
})
