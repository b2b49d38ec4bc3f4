import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { fingerprintKek } from '../../src/authority/kek-check.js'
import { rewrap } from '../../src/server/rewrap.js'
import { openState } from '../../src/server/state.js'
import { ISSUER, START } from '../support/authority-bench.js'
import { makeDirectory } from '../support/run-cli.js'
import { readServerKeys } from '../support/server-keys.js'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.js'

let place: string
const kekFile = () => join(place, 'kek')
const nextFile = () => join(place, 'kek.next')

beforeEach(async () => {
  place = join(await makeDirectory(), 'state')
  await start()
})

/** Starts and stops a server on the state; returns the ids of its keys. */
async function start(): Promise<string[]> {
  const { store, kek, close } = await openState({ state: place })
  try {
    const keySource = await readServerKeys()
    const { keyring } = await openAuthority({ store, kek, issuer: ISSUER, clock: () => START, keySource })
    return keyring.callKeySet.keys.map(({ kid }) => kid ?? '')
  } finally {
    await close()
  }
}

describe('the key-encryption key of a state', () => {
  test('is replaced by a new one that only its owner can read, and nothing else is left', async () => {
    const keys = await start()
    const before = readFileSync(kekFile(), 'utf8')
    const { former, fingerprint } = await rewrap({ state: place })
    expect(former).not.toBe(fingerprint)
    expect(readFileSync(kekFile(), 'utf8')).not.toBe(before)
    expect(statSync(kekFile()).mode & 0o777).toBe(0o600)
    expect((await readdir(place)).sort()).toEqual(['authsec.db', 'kek'])
    expect(await start()).toEqual(keys)
  })

  test('opens nothing that is left in the files once another one has taken its place', async () => {
    const sealed: Buffer[] = []
    for (let round = 0; round < 3; round++) {
      const { store, close } = await openState({ state: place })
      sealed.push(...(await store.keys.list()).map(({ sealedJwk }) => Buffer.from(sealedJwk)))
      await close()
      await rewrap({ state: place })
      const files = readdirSync(place).map((name) => readFileSync(join(place, name)))
      // The end of a value stands alone where the page that began with it has been used again.
      const isLeft = (value: Buffer) =>
        [value.subarray(0, 40), value.subarray(-40)].some((part) => files.some((file) => file.includes(part)))
      expect(sealed.filter(isLeft)).toHaveLength(0)
    }
    await start()
  })

  test.skipIf(!canMakeDisks)(
    'is the new one where the room lacks to write the file anew, which is said',
    async () => {
      const disk = makeSmallDisk(4 << 20)
      place = disk.state
      const keys = await start()
      disk.leave(statSync(join(place, 'authsec.db')).size * 0.7)
      await expect(rewrap({ state: place })).rejects.toMatchObject({
        code: 'temporarily_unavailable',
        message: expect.stringMatching(/is sealed with the key \w{16} now, but its file still holds/),
      })
      expect(await start()).toEqual(keys)
      disk.leave(3 << 20)
      await rewrap({ state: place })
      expect(await start()).toEqual(keys)
    },
  )

  test('is the new one where a crash came after the database had changed', async () => {
    const keys = await start()
    copyFileSync(kekFile(), join(place, 'former'))
    await rewrap({ state: place })
    // As the directory was before the new one took its place.
    copyFileSync(kekFile(), nextFile())
    copyFileSync(join(place, 'former'), kekFile())
    expect(await start()).toEqual(keys)
    expect(existsSync(nextFile())).toBe(false)
    expect(await start()).toEqual(keys)
  })

  test('is the old one where a crash came before', async () => {
    const keys = await start()
    const before = readFileSync(kekFile(), 'utf8')
    writeFileSync(nextFile(), `${Buffer.alloc(32, 1).toString('base64url')}\n`, { mode: 0o600 })
    expect(await start()).toEqual(keys)
    expect(readFileSync(kekFile(), 'utf8')).toBe(before)
    expect(existsSync(nextFile())).toBe(false)
  })

  test('is not touched while a server has the state', async () => {
    const state = await openState({ state: place })
    const before = readFileSync(kekFile(), 'utf8')
    await expect(rewrap({ state: place })).rejects.toMatchObject({ code: 'state_locked' })
    await state.close()
    expect(readFileSync(kekFile(), 'utf8')).toBe(before)
  })

  test('that is given is not kept in the directory', async () => {
    const given = join(await makeDirectory(), 'given')
    const [from, to] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    const { store, close } = await openState({ state: given }, from)
    await openAuthority({ store, kek: from, issuer: ISSUER, clock: () => START })
    await close()
    expect(await rewrap({ state: given }, { from, to })).toMatchObject({
      former: fingerprintKek(from),
      fingerprint: fingerprintKek(to),
      version: 2,
    })
    expect(await readdir(given)).toEqual(['authsec.db'])
  })
})

describe.skipIf(process.platform === 'win32')('a state that is open to others', () => {
  test.each([
    { what: 'its directory', file: '', mode: 0o750, says: 'the state directory', fix: 'chmod 700' },
    { what: 'its database', file: 'authsec.db', mode: 0o644, says: 'the database', fix: 'chmod 600' },
    { what: 'its key', file: 'kek', mode: 0o640, says: 'the key-encryption key', fix: 'chmod 600' },
  ])('is refused, with the fix, and left as it is: $what', async ({ file, mode, says, fix }) => {
    const path = join(place, file)
    await chmod(path, mode)
    await expect(openState({ state: place })).rejects.toMatchObject({
      code: 'state_unreadable',
      message: expect.stringContaining(`${says} ${path.replace(/\/$/, '')}`),
      hint: expect.stringContaining(fix),
    })
    expect(statSync(path).mode & 0o777).toBe(mode)
    await chmod(path, file === '' ? 0o700 : 0o600)
    await start()
  })

  test('is refused before anything is made in it', async () => {
    const open = join(await makeDirectory(), 'open')
    await mkdir(open, { mode: 0o755 })
    await chmod(open, 0o755)
    await writeFile(join(open, 'mine'), 'x')
    await expect(openState({ state: open })).rejects.toMatchObject({ code: 'state_unreadable' })
    expect(await readdir(open)).toEqual(['mine'])
  })
})
