import { randomUUID } from 'node:crypto'
import { readFile, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { HighWaterMark } from '../authority/audit/highest-heads.js'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { writeDurably } from '../store/durable-file.js'

/** More logs than any state has had: each reset and each load begins one. */
const MAX_LOGS = 64

/**
 * Keeps the highest heads that were ever signed in a file, which takes the place of the former one in one step. One that
 * a crash has left behind the log is as good as new: it only ever says how far the log was at least. Throws
 * `state_unreadable` where the file cannot be read or written, or is none of ours.
 */
export function createMarkFile(path: string): HighWaterMark {
  const mark = `the high-water mark ${quote(path, 200)}`
  const fail = (cause: NodeJS.ErrnoException): never => {
    throw new AuthsecError('state_unreadable', `${mark} cannot be kept (${cause.code})`, {
      hint: 'Name another file with --audit-high-water, on a volume that no backup of the state restores.',
      cause,
    })
  }

  async function read(): Promise<Checkpoint[]> {
    const text = await readFile(path, 'utf8').catch((cause) =>
      cause.code === 'ENOENT' ? undefined : fail(cause),
    )
    if (text === undefined) return []
    // An empty line ends the text of a checkpoint, before its signatures, and stands between two checkpoints.
    const notes = text.split(/\n\n(?!— )/)
    try {
      return notes.map((note) => parseCheckpoint(`${note.trimEnd()}\n`))
    } catch (cause) {
      throw new AuthsecError('state_unreadable', `${mark} holds no checkpoints`, {
        hint: 'It says how far the log was at least. Where you know that the state is the newest one, move it away: the next start makes another.',
        cause,
      })
    }
  }

  return {
    read,
    async raise(note) {
      const { origin, size } = parseCheckpoint(note)
      const known = await read()
      // Another server that keeps it here too was faster.
      if (known.some((head) => head.origin === origin && head.size > size)) return
      const others = known.filter((head) => head.origin !== origin).map((head) => head.note)
      const temporary = `${path}.${randomUUID()}.tmp`
      try {
        const text = [...others.slice(1 - MAX_LOGS), note].join('\n')
        await writeDurably(temporary, (file) => file.writeFile(text))
        await rename(temporary, path)
      } catch (cause) {
        await rm(temporary, { force: true }).catch(() => {})
        fail(cause as NodeJS.ErrnoException)
      }
    },
  }
}

/** Refuses a mark that an older copy of the state directory would bring back with it. Throws `usage`. */
export async function assertApart(path: string, directory: string): Promise<void> {
  // The mark itself is replaced at every step, and a link in its place with it: only where it lies is followed.
  const place = join(await followLinks(dirname(resolve(path))), basename(path))
  const way = relative(await followLinks(resolve(directory)), place)
  if (isAbsolute(way) || way.split(sep)[0] === '..') return
  throw new AuthsecError('usage', `the high-water mark ${quote(path, 200)} lies in the state directory`, {
    hint: 'An older copy of the directory would bring it back: name a file elsewhere with --audit-high-water.',
  })
}

/** The same place without links, also of what has not been made yet. */
async function followLinks(path: string): Promise<string> {
  if (dirname(path) === path) return path
  return realpath(path).catch(async () => join(await followLinks(dirname(path)), basename(path)))
}
