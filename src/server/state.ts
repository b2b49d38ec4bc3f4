import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { HighWaterMark } from '../authority/audit/highest-heads.js'
import { createKek, openToOthers } from '../authority/kek.js'
import type { DiskSpace } from '../authority/room.js'
import { AuthsecError } from '../core/errors.js'
import { isOpenToOthers } from '../core/file-mode.js'
import { quote } from '../core/printable.js'
import { openStore } from '../store/open.js'
import { isPostgresUrl, parsePostgresUrl } from '../store/postgres-url.js'
import { explained } from '../store/sqlite-failures.js'
import type { Store } from '../store/store.js'
import { createMarkFile } from './high-water.js'
import { openOwnKek } from './state-kek.js'

/** The place of a state that is gone with the process. */
const EPHEMERAL = ':memory:'
const DATABASE = 'authsec.db'

/** Where the state of a server is kept: one of `state` and `store`. */
export interface StatePlace {
  /** The directory that holds everything, or `:memory:`. */
  state?: string | undefined
  /** `postgres://…`: a database instead, which any number of servers share. */
  store?: string | undefined
  /** Whether the database is refused unless a standby confirms each commit; default false. */
  requireSyncStandby?: boolean | undefined
  /** The file that keeps the highest head of the audit log that was ever signed; default: one in the state directory. */
  auditHighWater?: string | undefined
}

/**
 * What becomes of a place that holds no state: a server begins one there, unless a high-water mark says that one was
 * lost; a snapshot fills it all the same; whatever works on a state refuses it.
 */
export type Absence = 'begin' | 'fill' | 'refuse'

/** Everything a server keeps, opened and locked. */
export interface OpenState {
  store: Store
  /** What messages call it. */
  name: string
  /** The key-encryption key. */
  kek: Uint8Array
  /** The highest heads of its audit log: not in the database, which a backup restores. */
  highWater?: HighWaterMark | undefined
  /** Where everything is, unless it is in a database or in memory. */
  directory?: string | undefined
  /** Asks how much room there is where everything is, unless it is in a database or in memory. */
  readSpace?: (() => Promise<DiskSpace>) | undefined
  /** Tells whoever finds the state locked where the server answers that has it. */
  announce(url: string): void
  /** Closes the store and lets another server have the state. */
  close(): Promise<void>
}

/**
 * Opens a state, or creates it where `absence` has it so. In a directory: the database, which is the lock too, the
 * key-encryption key unless one is given, and a file that tells others which process has it. A database needs a key,
 * because nothing that belongs to all of its servers may be made by one of them. Throws `usage`, `state_locked`,
 * `state_newer`, `state_unreadable` (also for what is open to others), and of a database what `openStore` throws; where
 * there is no state `not_found`, or `state_rolled_back` for one that is lost.
 */
export async function openState(
  place: StatePlace,
  kek?: Uint8Array,
  absence: Absence = 'begin',
): Promise<OpenState> {
  const { state, store } = place
  if (state !== undefined && store === undefined) return openDirectory(state, place, kek, absence)
  if (store === undefined || state !== undefined) {
    throw new AuthsecError('usage', 'a server keeps its state either in a directory or in a database', {
      hint: "Name one of the two: state: 'DIR', or state: ':memory:' for a test; store: 'postgres://…'.",
    })
  }
  return openDatabase(store, place, kek, absence)
}

async function openDatabase(
  url: string,
  options: StatePlace,
  kek: Uint8Array | undefined,
  absence: Absence,
): Promise<OpenState> {
  if (!isPostgresUrl(url)) {
    throw new AuthsecError('usage', 'the store is not the address of a PostgreSQL database', {
      hint: 'Write postgres://user@host/database; a state in a file is named by its directory.',
    })
  }
  if (kek === undefined) {
    throw new AuthsecError('usage', 'a database needs a key-encryption key', {
      hint: 'Give every server of the database the same one.',
    })
  }
  const { auditHighWater: markFile } = options
  const { name } = parsePostgresUrl(url)
  const ifEmpty = await objectTo(absence, name, markFile)
  const store = await openStore(url, { ...options, ifEmpty })
  try {
    await assertBegun(store, ifEmpty)
    return { store, name, kek, highWater: openMark(markFile), announce() {}, close: () => store.close() }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openDirectory(
  place: string,
  { auditHighWater }: StatePlace,
  kek: Uint8Array | undefined,
  absence: Absence,
): Promise<OpenState> {
  if (place === EPHEMERAL) {
    const store = await openStore(EPHEMERAL)
    return {
      store,
      name: place,
      kek: kek ?? createKek(),
      highWater: openMark(auditHighWater),
      announce() {},
      close: () => store.close(),
    }
  }
  const markFile = auditHighWater ?? join(place, 'audit-high-water')
  const database = join(place, DATABASE)
  const ifEmpty = await objectTo(absence, place, markFile)
  if (ifEmpty !== undefined && !hasDatabase(place)) throw ifEmpty
  createDirectory(place)
  assertPrivate(`the state directory ${place}`, place, '700')
  assertPrivate(`the database ${database}`, database, '600')
  const pidFile = join(place, 'server.pid')
  const store = await openStore(database, { ifEmpty }).catch((error) => {
    throw AuthsecError.is(error, 'state_locked') ? lockedBy(place, pidFile, error) : error
  })
  try {
    const announce = (...lines: string[]) =>
      explained(() => writeFileSync(pidFile, [process.pid, ...lines, ''].join('\n'), { mode: 0o600 }))
    announce()
    await assertBegun(store, ifEmpty)
    const opened = kek ?? (await openOwnKek(place, store))
    return {
      store,
      name: place,
      directory: place,
      kek: opened,
      highWater: createMarkFile(markFile),
      readSpace: () => readSpace(place),
      announce,
      close: () => closeState(store, pidFile),
    }
  } catch (error) {
    await closeState(store, pidFile)
    throw error
  }
}

/** Whether a directory has a database. The engine writes into a file of no bytes when it opens it. */
export function hasDatabase(place: string): boolean {
  return (statSync(join(place, DATABASE), { throwIfNoEntry: false })?.size ?? 0) > 0
}

/** Why no state may be made in a place that holds none; undefined where one may. */
async function objectTo(
  absence: Absence,
  name: string,
  markFile: string | undefined,
): Promise<AuthsecError | undefined> {
  if (absence === 'refuse') {
    return new AuthsecError('not_found', `${name} holds no state of a server`, {
      hint: 'Check which one was meant: authsec dev serve says where its state is.',
    })
  }
  if (absence === 'fill' || markFile === undefined) return undefined
  const head = (await createMarkFile(markFile).read()).at(-1)
  if (head === undefined) return undefined
  return new AuthsecError(
    'state_rolled_back',
    `${name} holds no state any more: its audit log ${head.origin} was signed up to ${head.size} records`,
    {
      hint: `Put the database back; where only an older copy is left, it starts again with authsec dev recover. To begin anew, move the high-water mark ${quote(markFile, 200)} away.`,
    },
  )
}

function openMark(path: string | undefined): HighWaterMark | undefined {
  return path === undefined ? undefined : createMarkFile(path)
}

// Tables alone are no state: a start that was cut short has left them.
async function assertBegun({ settings }: Store, ifEmpty: AuthsecError | undefined): Promise<void> {
  if (ifEmpty === undefined) return
  const begun = (await settings.find('tenant_id')) ?? (await settings.find('issuer'))
  if (begun === undefined) throw ifEmpty
}

async function closeState(store: Store, pidFile: string): Promise<void> {
  rmSync(pidFile, { force: true })
  await store.close()
}

function createDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new AuthsecError('state_unreadable', `the state directory ${path} cannot be created`, {
      hint: 'Name another one with --state.',
      cause,
    })
  }
}

// What only root may use beyond that is no room.
async function readSpace(place: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(place)
  return { free: bavail * bsize, total: blocks * bsize }
}

// What everybody may read or write is no secret, and nothing that was written there can be trusted.
function assertPrivate(what: string, path: string, right: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined && isOpenToOthers(stats, process.platform)) {
    throw openToOthers(what, path, stats.mode, right)
  }
}

function lockedBy(place: string, pidFile: string, cause: unknown): AuthsecError {
  const { pid, url } = readHolder(pidFile)
  const holder = pid === undefined ? 'another process' : `the server with pid ${pid}`
  return new AuthsecError('state_locked', `${place} is in use by ${holder}`, {
    hint: 'Stop that server, or name another --state directory.',
    ...(url && { details: { server_url: url } }),
    cause,
  })
}

function readHolder(pidFile: string): { pid?: string | undefined; url?: string | undefined } {
  try {
    const [, pid, url] = /^(\d+)(?:\n(http\S+))?/.exec(readFileSync(pidFile, 'utf8')) ?? []
    return { pid, url }
  } catch {
    return {}
  }
}
