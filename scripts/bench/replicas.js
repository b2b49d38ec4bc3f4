// What a second server on the same database costs: the processor time of the servers and the statements of the database
// for one token, by the same load on one server and on two. That two of them issue more on more cores cannot be seen
// here: what can is that none of them makes the work more.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { importSource } from './bundled.js'
import { loadTogether } from './load.js'
import { compareSeries } from './ratio.js'
import { startServerProcess } from './server-process.js'
import { COMMAND, createExchangeTarget } from './targets.js'

const ROUNDS = 7
// Far below what one server can do: the load is the same whoever carries it.
const STEADY_PER_SECOND = 200
const ROUND_MS = 3_000
const WARM_UP_MS = 3_000

export const replicas = {
  name: 'replicas',
  title: 'two servers on one PostgreSQL, per token and relative to one server under the same load',

  async measure() {
    const place = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    const { startPostgresCluster } = await importSource('test/support/postgres-cluster.ts')
    const cluster = await startPostgresCluster()
    const closers = [() => rmSync(place, { recursive: true }), () => cluster.remove()]
    try {
      const database = await countStatements(cluster)
      closers.push(() => database.end())
      const servers = []
      for (const name of ['one', 'other']) {
        const server = await startReplica(place, name, cluster.url)
        closers.push(() => server.stop())
        servers.push(server)
      }
      return await compare(servers, database)
    } finally {
      for (const close of closers.reverse()) await close()
    }
  },
}

async function compare(servers, database) {
  const targets = await Promise.all(servers.map(({ ready }) => createExchangeTarget(ready)))
  const [alone, both] = [targets.slice(0, 1), targets]
  for (const crew of [alone, both]) await loadTogether(crew, WARM_UP_MS)

  const read = () => readCounters(servers, database)
  const steady = await measureInTurn([alone, both], read, STEADY_PER_SECOND)
  const ceaseless = await measureInTurn([alone, both], read)
  return [
    ...describe('a steady load', steady, { atMost: 1.15 }),
    // Of these callers each of two servers has half, so that fewer of them share a commit.
    ...describe('callers that never pause', ceaseless),
  ]
}

/** What a token costs each crew of servers, round by round. */
async function measureInTurn(crews, read, perSecond) {
  const series = crews.map(() => ({ cpu: [], statements: [] }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, crew] of crews.entries()) {
      const before = await read()
      const { count } = await loadTogether(crew, ROUND_MS, perSecond)
      const after = await read()
      series[index].cpu.push((after.cpu - before.cpu) / count)
      series[index].statements.push((after.statements - before.statements) / count)
    }
  }
  return series
}

function describe(load, [one, two], aim) {
  return [
    { what: `${load}: processor time`, ratio: compareSeries(two.cpu, one.cpu), aim },
    { what: `${load}: statements`, ratio: compareSeries(two.statements, one.statements), aim },
  ]
}

async function startReplica(place, name, url) {
  const [kek, store, readyFile] = ['kek', 'store', `ready-${name}`].map((file) => path.join(place, file))
  if (name === 'one') {
    writeFileSync(kek, randomBytes(32).toString('base64'), { mode: 0o600 })
    writeFileSync(store, url, { mode: 0o600 })
  }
  const args = ['dev', 'serve', '--port', '0', '--json', '--allow-dev-postgres']
  const files = ['--store-file', store, '--kek-file', kek, '--ready-file', readyFile]
  return startServerProcess(COMMAND, [...args, ...files], { HOME: place, AUTHSEC_CONFIG_DIR: place })
}

async function countStatements(cluster) {
  const settings = new pg.Client({ connectionString: cluster.url })
  await settings.connect()
  await settings.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`)
  await settings.end()
  await cluster.stop()
  await cluster.start()
  const client = new pg.Client({ connectionString: cluster.url })
  await client.connect()
  await client.query('create extension pg_stat_statements')
  return client
}

async function readCounters(servers, database) {
  const { rows } = await database.query('select sum(calls)::float as calls from pg_stat_statements')
  return { cpu: servers.reduce((sum, { ready }) => sum + readCpu(ready.pid), 0), statements: rows[0].calls }
}

/** The processor time of a process so far, in ticks of the system. */
function readCpu(pid) {
  if (process.platform === 'linux') {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  }
  const [minutes, seconds] = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' })
    .trim()
    .split(':')
  return (Number(minutes) * 60 + Number(seconds)) * 100
}
