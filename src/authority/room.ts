import { AuthsecError } from '../core/errors.js'

/** What the file system has that holds the state, in bytes. */
export interface DiskSpace {
  free: number
  total: number
}

/** Whether there is room for what is recorded of each answer. */
export interface Room {
  /** Whether so little is left that refusals, of which anybody can cause any number, are only counted. */
  isScarce(): boolean
  /** Throws `temporarily_unavailable` while so little is left that no token is issued: the rest is for who revokes. */
  assertEnough(): void
}

/** The same, of a disk that is looked at now and then. */
export interface WatchedRoom extends Room {
  /** Looks, and says when to look again, in milliseconds since the epoch; undefined where there is no disk. */
  upkeep(): Promise<number | undefined>
}

export interface RoomOptions {
  /** Asks the file system; undefined where nothing is kept on a disk of this machine. */
  readSpace: (() => Promise<DiskSpace>) | undefined
  /** Told once whenever the room has come to be less than it takes, and again after there was clearly more. */
  onShortage: (shortage: AuthsecError) => void
  /** Milliseconds since the epoch. */
  clock: () => number
}

interface Mark {
  share: number
  bytes: number
}

const MIBI = 2 ** 20
/** Less than this share is little, unless it is still so many bytes: a large disk has room at any share. */
const SCARCE: Mark = { share: 0.15, bytes: 1024 * MIBI }
const EXHAUSTED: Mark = { share: 0.05, bytes: 256 * MIBI }
const MARKS = [SCARCE, EXHAUSTED]
/** What has been told is told again only after there was so many times as much: a disk that is written to wavers. */
const CLEARLY = 1.1
const LOOK_EVERY_MS = 1_000

/** What is not known, because the file system cannot be asked, counts as enough: a full disk says so itself. */
export function createRoom({ readSpace, onShortage, clock }: RoomOptions): WatchedRoom {
  let space: DiskSpace | undefined
  let told = 0

  const isBelow = ({ share, bytes }: Mark, times = 1) =>
    space !== undefined && space.free < Math.min(space.total * share, bytes) * times

  function tell(): void {
    const count = (times?: number) => MARKS.filter((mark) => isBelow(mark, times)).length
    told = Math.min(told, count(CLEARLY))
    const mark = MARKS[count() - 1]
    if (mark === undefined || count() <= told) return
    told = count()
    onShortage(describeShortage(mark))
  }

  return {
    isScarce: () => isBelow(SCARCE),

    assertEnough() {
      if (isBelow(EXHAUSTED)) throw describeShortage(EXHAUSTED)
    },

    async upkeep() {
      if (readSpace === undefined) return undefined
      space = await readSpace().catch(() => undefined)
      tell()
      return clock() + LOOK_EVERY_MS
    },
  }
}

function describeShortage(mark: Mark): AuthsecError {
  const consequence =
    mark === EXHAUSTED ? 'no token is issued' : 'refusals are counted and not recorded one by one'
  return new AuthsecError(
    'temporarily_unavailable',
    `less than ${mark.share * 100} % of the disk that holds the state is free: ${consequence}`,
    { hint: 'Make room on that disk.' },
  )
}
