import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openState } from '../../src/server/state.js'
import { openStore } from '../../src/store/open.js'
import { makeStateDirectory, type StateDirectory } from './state-directory.js'

const ROOT = path.join(import.meta.dirname, '../..')

let program: StateDirectory
let state: StateDirectory
const children: ChildProcess[] = []

beforeAll(async () => {
  program = makeStateDirectory()
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(program.directory, 'node_modules'))
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['test/store/state-holder.ts'],
    outfile: path.join(program.directory, 'state-holder.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
})
afterAll(() => program.remove())
beforeEach(() => {
  state = makeStateDirectory()
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  state.remove()
})

describe('a state that another process holds', () => {
  test('is refused with the pid of that process, which goes on', async () => {
    const holder = await holdState()
    expect(holder.said).toBe('holds')
    await expect(openState({ state: state.directory })).rejects.toMatchObject({
      name: 'AuthsecError',
      code: 'state_locked',
      message: expect.stringMatching(new RegExp(`pid ${holder.pid}\\b`)),
      hint: expect.stringContaining('--state'),
    })
    await expect(openStore(state.file)).rejects.toMatchObject({ code: 'state_locked' })
    expect(await holder.ask('write')).toBe('written')
  })

  test('is refused where nobody knows its pid', async () => {
    await holdState()
    rmSync(path.join(state.directory, 'server.pid'))
    await expect(openState({ state: state.directory })).rejects.toMatchObject({
      code: 'state_locked',
      message: expect.stringContaining('another process'),
    })
  })

  test('is free when that process has been killed, with everything it committed', async () => {
    const holder = await holdState()
    expect(await holder.ask('write')).toBe('written')
    await holder.end('SIGKILL')
    const { store, close } = await openState({ state: state.directory })
    expect(await store.settings.find('n0')).toBe(String(holder.pid))
    await close()
  })

  test('is free when that process has closed it, though it still runs', async () => {
    const holder = await holdState()
    expect(await holder.ask('close')).toBe('closed')
    await (await openState({ state: state.directory })).close()
  })
})

describe('a state that this process holds', () => {
  test('is refused to others', async () => {
    const { close } = await openState({ state: state.directory })
    expect((await holdState()).said).toBe(`state_locked ${process.pid}`)
    await close()
    expect((await holdState()).said).toBe('holds')
  })

  test('is still refused to others after it was refused to itself', async () => {
    const { close } = await openState({ state: state.directory })
    await expect(openStore(state.file)).rejects.toMatchObject({ code: 'state_locked' })
    // The file must not even have been opened: that would have dropped the lock.
    expect((await holdState()).said).toMatch(/^state_locked/)
    await close()
  })

  test('is free for this process once it is closed', async () => {
    for (let time = 0; time < 3; time++) await (await openState({ state: state.directory })).close()
  })
})

/** Starts a process that opens the state and then does what it is asked. */
async function holdState() {
  const child = spawn(process.execPath, [path.join(program.directory, 'state-holder.mjs'), state.directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  child.stdout.setEncoding('utf8')
  const readLine = async () => String((await once(child.stdout, 'data'))[0]).trim()
  return {
    pid: child.pid,
    said: await readLine(),
    ask(command: 'write' | 'close') {
      child.stdin.write(`${command}\n`)
      return readLine()
    },
    async end(signal: NodeJS.Signals) {
      child.kill(signal)
      await once(child, 'exit')
    },
  }
}
