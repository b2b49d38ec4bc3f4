import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Nobody holds a lock for longer than it takes to write a small file: one that is older was left by a crash. */
const STALE_MS = 10_000
const PAUSE_MS = 10

/** Does something to a file while no other command does; a lock that a crash has left is broken after ten seconds. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  while (!(await take(lock))) {
    await breakStale(lock)
    await pause(PAUSE_MS)
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

// Moved away first: of several that find it stale one only gets hold of it.
async function breakStale(lock: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(lock)
    if (Math.abs(Date.now() - mtimeMs) < STALE_MS) return
    const away = `${lock}.${crypto.randomUUID()}`
    await rename(lock, away)
    await rm(away)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
