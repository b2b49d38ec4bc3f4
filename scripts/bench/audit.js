// What the audit log costs: whoever gets a token, whoever checks the log, whoever searches it, and whoever follows it.

import { hash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bundleSource, importSource } from './bundled.js'
import { createRequest, load, measureInTurn, quantile } from './load.js'
import { compareSeries } from './ratio.js'
import { repeatInTurn } from './repeat.js'
import { startServerProcess } from './server-process.js'
import { followEvents } from './tail.js'
import { createExchangeTarget } from './targets.js'

const RECORDS = 100_000
const MANY_RECORDS = 1_000_000
const UNSEALED = 200
const ROUNDS = 9
const ROUND_MS = 1_500

export const audit = {
  name: 'audit',
  title: 'the audit log, relative to',

  async measure() {
    const place = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    try {
      return [
        ...(await measureServers(place)),
        await measureVerifying(),
        ...(await measureSearch(path.join(place, 'search.db'))),
      ]
    } finally {
      rmSync(place, { recursive: true })
    }
  },
}

/** Tokens with the log and without, and how long an event of one takes to reach a tail. */
async function measureServers(place) {
  const script = 'scripts/bench/audit-server.js'
  const recording = await bundleSource(script)
  const silent = await bundleSource(script, { name: 'silent-server', plugins: [SILENT_AUDIT] })
  const servers = []
  try {
    for (const [name, bundle] of Object.entries({ recording, silent })) {
      servers.push(await startServerProcess(bundle, [path.join(place, name)]))
    }
    const targets = await Promise.all(servers.map(({ ready }) => createExchangeTarget(ready)))
    const [own, without] = await measureInTurn(targets)
    return [
      {
        what: 'no log at all: throughput of exchanges',
        ratio: compareSeries(own.throughput, without.throughput),
        aim: { atLeast: 0.7 },
      },
      await measureTail(servers[0].ready, targets[0]),
      await measureFlood(targets[0]),
      await measureReaders(servers[0].ready, targets[0]),
    ]
  } finally {
    for (const server of servers) await server.stop()
  }
}

/** The log that records nothing in the place of the one that does. */
const SILENT_AUDIT = {
  name: 'silent-audit',
  setup(build) {
    build.onResolve({ filter: /\/audit\/log\.js$/ }, ({ importer }) =>
      importer.endsWith('/authority/authority.ts')
        ? { path: path.join(import.meta.dirname, 'silent-audit.js') }
        : undefined,
    )
  },
}

/** From the request for a token until its event is at a tail, beside until its answer is back. */
async function measureTail(server, target) {
  const asked = new Map()
  const arrived = new Map()
  const tail = await followEvents(server, ({ jti }) => arrived.set(jti, performance.now()))
  const [own, roundTrips] = [[], []]
  for (let round = -1; round < ROUNDS; round++) {
    const onAnswer = (body, sent) => asked.set(readJti(body), sent)
    const { durations } = await load({ ...target, onAnswer }, ROUND_MS)
    await tail.caughtUp()
    const delays = [...asked].map(([jti, sent]) => arrived.get(jti) - sent)
    if (delays.some(Number.isNaN)) throw new Error('a tail has missed an event')
    if (round >= 0) {
      own.push(quantile(delays, 0.5))
      roundTrips.push(quantile(durations, 0.5))
    }
    asked.clear()
    arrived.clear()
  }
  tail.close()
  return {
    what: 'a token under load: until a tail has it',
    ratio: compareSeries(own, roundTrips),
    aim: { atMost: 3 },
  }
}

/** Tokens while as many connections as there are of those who get one send what is refused. */
async function measureFlood(target) {
  const url = new URL('/oauth/token', target.url).href
  const request = createRequest(url, {
    grant_type: 'client_credentials',
    client_id: 'nobody',
    client_secret: 'x',
  })
  const bad = { url, request, status: 401, isExpected: (body) => body.includes('invalid_client') }
  const ratio = await compareDisturbed(target, async () => {
    const flood = load(bad, ROUND_MS)
    return () => flood
  })
  return { what: 'no refusals: tokens beside a flood', ratio, aim: { atLeast: 0.5 } }
}

/** Tokens while two tails follow and a third reader has stopped reading. */
async function measureReaders(server, target) {
  const ratio = await compareDisturbed(target, async () => {
    const readers = await Promise.all([1, 2, 3].map(() => followEvents(server, () => {})))
    readers[2].pause()
    return () => {
      for (const reader of readers) reader.close()
    }
  })
  return { what: 'no reader: tokens beside three', ratio, aim: { atLeast: 0.8 } }
}

/** The throughput beside something else to that alone, in turn; `disturb` begins it and returns what ends it. */
async function compareDisturbed(target, disturb) {
  const [beside, alone] = [[], []]
  for (let round = -1; round < ROUNDS; round++) {
    const undisturbed = await load(target, ROUND_MS)
    const end = await disturb()
    const disturbed = await load(target, ROUND_MS)
    await end()
    if (round < 0) continue
    alone.push(undisturbed.throughput)
    beside.push(disturbed.throughput)
  }
  return compareSeries(beside, alone)
}

function readJti(body) {
  const [, payload] = JSON.parse(body).access_token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url')).jti
}

/** A log in memory, so that no disk is measured; its records are hashed one by one on both sides. */
async function measureVerifying() {
  const { judgeLog } = await importSource('src/core/log-verdict.ts')
  const { formatTilePath } = await importSource('src/core/log-tiles.ts')
  const { sha256, verifyEd25519 } = await importSource('src/cli/log-crypto.ts')
  const { createBundleFiles, createLogKey } = await importSource('test/support/sealed-bundle.ts')
  const records = (await createRecords(RECORDS)).map(({ record }) => Buffer.from(record))
  const signer = createLogKey()
  const files = createBundleFiles(records, [signer])
  const request = {
    note: files.get('checkpoint').toString(),
    readTile: async (tile) => files.get(formatTilePath(tile)),
    key: { key: signer.key, source: 'the bench', isPinned: true },
    handovers: [],
    anchors: [],
    sha256,
    verify: verifyEd25519,
  }
  const [own, bare] = [[], []]
  for (let round = -1; round < ROUNDS; round++) {
    const verifying = await measureTime(async () => {
      const { verdict } = await judgeLog(request)
      if (verdict !== 'INTACT') throw new Error(`the log of the bench is ${verdict}`)
    })
    const hashing = await measureTime(() => {
      for (const record of records) hash('sha256', record, 'buffer')
    })
    if (round < 0) continue
    own.push(1 / verifying)
    bare.push(1 / hashing)
  }
  return { what: 'bare SHA-256: records verified', ratio: compareSeries(own, bare), aim: { atLeast: 0.4 } }
}

async function measureTime(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/**
 * By the id of a token, beside the read of one record by its own id, on the same connection: when all is in the
 * index, and when the newest are not yet.
 */
async function measureSearch(file) {
  const { openStore } = await importSource('src/store/open.ts')
  const store = await openStore(file)
  try {
    const known = []
    for (let done = 0; done < MANY_RECORDS; done += RECORDS) {
      const records = await createRecords(RECORDS)
      await store.write(async ({ audit: log }) => {
        for (const record of records) log.append(record)
      })
      await store.write(({ audit: log }) => log.index(done + RECORDS))
      for (let at = 0; at < RECORDS; at += 1_000) known.push({ id: records[at].id, jti: records[at].jti })
    }
    const atRest = await compareSearch(store, known)
    const newest = await createRecords(UNSEALED)
    await store.write(async ({ audit: log }) => {
      for (const record of newest) log.append(record)
    })
    const behind = await compareSearch(store, known)
    return [
      { what: 'a read by primary key: a search by jti', ratio: atRest, aim: { atMost: 3 } },
      { what: `… with ${UNSEALED} records in no index yet`, ratio: behind },
    ]
  } finally {
    await store.close()
  }
}

async function compareSearch(store, known) {
  let turn = 0
  const next = () => known[turn++ % known.length]
  const [own, byKey] = await repeatInTurn([
    async () => {
      const filter = [{ field: 'jti', operator: '=', value: next().jti }]
      const found = await store.audit.search({ filter, limit: 100 })
      if (found.length !== 1) throw new Error(`${found.length} records have one jti`)
    },
    () => store.audit.find(next().id),
  ])
  return compareSeries(byKey, own)
}

/** Exchanges, as a server records them: one is made, and the others from it. */
async function createRecords(count) {
  const { makeRecord } = await importSource('src/authority/audit/record-making.ts')
  const { createTimeOrderedId } = await importSource('src/authority/time-ordered-id.ts')
  const place = { logId: 'authsec/0123456789abcdef', tenantId: randomUUID(), bootId: randomUUID() }
  const [agent, user] = [randomUUID(), randomUUID()]
  const now = Date.now()
  const createIds = () => [createTimeOrderedId(now), createTimeOrderedId(now), createTimeOrderedId(now)]
  const ids = createIds()
  const event = {
    type: 'token.exchanged',
    outcome: 'allow',
    actor: { type: 'client', id: agent },
    subject: { type: 'user', id: user },
    act: { sub: `spiffe://${place.tenantId}/agent/${agent}`, client_id: agent },
    client: agent,
    delegation: randomUUID(),
    policy: randomUUID(),
    parent_jti: randomUUID(),
    jti: ids[1],
    txn: ids[2],
    token_hash: hash('sha256', agent, 'base64url'),
    kid: 'bench',
    aud: ['https://billing.example'],
    permissions: { asked: ['billing:read'], granted: ['billing:read'] },
    details: { expires_in: 300 },
  }
  const provenance = { requestId: randomUUID(), source: 'POST /oauth/token' }
  const first = makeRecord(place, event, provenance, ids[0], now)
  const parts = first.record.split(new RegExp(ids.join('|')))
  return Array.from({ length: count }, () => {
    const [id, jti, txn] = createIds()
    // In the order of their names: id, jti, txn.
    const record = `${parts[0]}${id}${parts[1]}${jti}${parts[2]}${txn}${parts[3]}`
    return { ...first, id, jti, txn, record }
  })
}
