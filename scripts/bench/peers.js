import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

/** Where the servers lie with which we compare. */
const PEERS = path.join(import.meta.dirname, '../../test/bench')

/** The script of a peer; installs all of them the first time. */
export function preparePeer(name) {
  if (!existsSync(path.join(PEERS, 'node_modules/.package-lock.json'))) {
    process.stderr.write('bench: installing the servers to compare with, this one time\n')
    const { status } = spawnSync('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund'], {
      stdio: ['ignore', 2, 2],
    })
    if (status !== 0) throw new Error(`npm ci --prefix ${PEERS} has failed`)
  }
  return path.join(PEERS, `${name}.js`)
}
