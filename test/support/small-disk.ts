import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'

/** A file system of a test's own, in memory. */
export interface SmallDisk {
  /** A place on it for a state; nothing is there yet. */
  state: string
  /** Takes all of it but so many bytes; what has been taken before is given back first. */
  leave(bytes: number): void
}

/** Whether tests that need one are run: where this process may mount it, as root on Linux may; on CI they fail instead. */
export const canMakeDisks: boolean =
  process.platform === 'linux' && (Boolean(process.env['CI']) || tryMount())

/** Mounts a file system of so many bytes for as long as the test runs; what is open on it then may stay open. */
export function makeSmallDisk(bytes: number): SmallDisk {
  const place = mount(bytes)
  onTestFinished(() => unmount(place))
  const ballast = path.join(place, 'ballast')
  return {
    state: path.join(place, 'state'),
    leave(left) {
      rmSync(ballast, { force: true })
      const { bavail, bsize } = statfsSync(place)
      const pages = Math.floor((bavail * bsize - left) / bsize)
      if (pages > 0) writeFileSync(ballast, Buffer.alloc(pages * bsize))
    },
  }
}

function mount(bytes: number): string {
  const place = mkdtempSync(path.join(tmpdir(), 'authsec-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', place], { stdio: 'pipe' })
  } catch (error) {
    rmSync(place, { recursive: true })
    throw error
  }
  return place
}

function unmount(place: string): void {
  execFileSync('umount', ['--lazy', place], { stdio: 'pipe' })
  rmSync(place, { recursive: true })
}

function tryMount(): boolean {
  try {
    unmount(mount(1 << 20))
    return true
  } catch {
    return false
  }
}
