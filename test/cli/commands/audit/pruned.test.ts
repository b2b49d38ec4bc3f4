import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { joinEntries } from '../../../../src/core/log-tiles.js'
import { openStore } from '../../../../src/store/open.js'
import {
  createBundleFiles,
  createLogKey,
  createLogRecord,
  writeFiles,
} from '../../../support/sealed-bundle.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const FIRST = 12
const TOLD = `records below ${FIRST} have been pruned`

let place: string
let cli: ServedCli
/** The id of an event that is gone. */
let gone: string

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-pruned-'))
  const state = join(place, 'state')
  const before = await serveCli({ state })
  while ((await before.read(['audit', 'search'])).length <= FIRST) await before.server.exchange()
  gone = (await before.read(['audit', 'search']))[0].event.id
  await before.server.close()
  const store = await openStore(join(state, 'authsec.db'))
  await store.write(({ audit }) => audit.prune(FIRST))
  await store.close()
  cli = await serveCli({ state })
})
afterAll(async () => {
  await cli.server.close()
  await rm(place, { recursive: true })
})

describe('of what has been pruned', () => {
  test.each(['show', 'verify --event', 'trace'])('%s says that it may be the reason', async (command) => {
    const run = await cli.run(['audit', ...command.split(' '), gone])
    expect(run).toMatchObject({ code: 6, stdout: '' })
    expect(run.stderr).toContain(`hint: The ${TOLD}`)
  })

  test('a bundle says so as well', async () => {
    const bundle = join(place, 'bundle')
    await cli.run(['audit', 'export', '--format', 'bundle', '--out', bundle])
    const run = await cli.run(['audit', 'verify', bundle, '--event', gone])
    expect(run).toMatchObject({ code: 6, stderr: expect.stringContaining(`hint: The ${TOLD}`) })
  })

  test.each([
    'search --since 2000-01-01T00:00:00Z',
    'search --type server.started',
    'search --count-by type',
    'trace demo-agent',
  ])('%s tells beside what is left', async (command) => {
    const run = await cli.run(['audit', ...command.split(' ')])
    expect(run).toMatchObject({ code: 0, stderr: expect.stringContaining(`the ${TOLD}`) })
    expect(run.stdout).not.toBe('')
  })

  test('search says nothing where it shows the newest only', async () => {
    const { stderr } = await cli.run(['audit', 'search', '--limit', '1'])
    expect(stderr).not.toContain('pruned')
  })
})

test('the range of a log says which records are left of it', async () => {
  const key = createLogKey()
  const pruning = createLogRecord(19, { type: 'audit.pruned', details: { below: 7 } })
  const records = [...Array.from({ length: 19 }, (_, index) => createLogRecord(index)), pruning]
  const left = records.map((record, index) => (index < 7 ? new Uint8Array() : record))
  const bundle = join(place, 'left')
  await writeFiles(bundle, createBundleFiles(records, [key]).set('tile/entries/000.p/20', joinEntries(left)))
  const { code, stdout } = await cli.run(['audit', 'verify', bundle, '--key', key.text])
  expect(code).toBe(0)
  expect(stdout).toContain(
    'range     0 … 19, of which 7 … 19 are left   2026-08-01T09:00:07.000Z … 2026-08-01T09:00:19.000Z\n',
  )
})
