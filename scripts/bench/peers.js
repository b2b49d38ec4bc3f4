import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** Where the servers and libraries lie with which we compare. */
const PEERS = path.join(import.meta.dirname, '../../test/bench')

/** The script of a peer. All of them are installed where they are needed first, and where their list has changed. */
export function preparePeer(name) {
  installPeers()
  return path.join(PEERS, `${name}.js`)
}

/** The script behind a peer's command. */
export function findCommand(name) {
  installPeers()
  return path.join(PEERS, 'node_modules/.bin', name)
}

/** A library of a peer. */
export async function importPeer(name) {
  installPeers()
  const { resolve } = createRequire(path.join(PEERS, 'package.json'))
  return await import(pathToFileURL(resolve(name)))
}

function installPeers() {
  const changedAt = (file) => statSync(path.join(PEERS, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')) return
  process.stderr.write('bench: installing what is compared with, this one time\n')
  const { status } = spawnSync('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) throw new Error(`npm ci --prefix ${PEERS} has failed`)
}
