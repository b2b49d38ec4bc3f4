import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256, verifyEd25519 } from '../../../src/authority/audit/log-key.js'
import { holdsAuditProof, parseAuditProof } from '../../../src/core/audit-proof.js'
import { isSignedBy, parseCheckpoint, parseVerifierKey } from '../../../src/core/checkpoint.js'
import { splitEntries, splitTile } from '../../../src/core/log-tiles.js'
import { createMerkleTree, hashLeaf } from '../../../src/core/merkle.js'
import { makeDirectory } from '../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../support/running-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  for (let count = 0; count < 3; count++) await server.exchange()
})
afterAll(() => server.close())

/** Whatever has been recorded so far is signed when a proof of it has been asked for. */
async function readProof(): Promise<string> {
  const { events } = (await server.call('GET', '/audit/events?last=1', { admin: true })).json
  const path = `/audit/events/${events[0].event.id}/proof`
  return (await server.call('GET', path, { admin: true })).text
}

async function fetchBytes(path: string): Promise<Buffer> {
  const response = await fetch(new URL(path, server.url), {
    headers: { authorization: `Bearer ${server.adminToken}` },
  })
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

describe('the checkpoint', () => {
  test('is there at the first answer, public, signed, and kept for a second at most', async () => {
    const fresh = await startTestServer()
    const { status, text, headers } = await fresh.call('GET', '/audit/log/checkpoint')
    const { verifier_key } = (await fresh.call('GET', '/audit/log/keys')).json
    await fresh.close()
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'public, max-age=1',
    })
    expect(isSignedBy(parseCheckpoint(text), parseVerifierKey(verifier_key, sha256), verifyEd25519)).toBe(
      true,
    )
  })
})

describe('the tiles', () => {
  test('give the root of the checkpoint, the bundles give the tiles', async () => {
    await readProof()
    const { size, root } = parseCheckpoint((await server.call('GET', '/audit/log/checkpoint')).text)
    const { entries, isTorn } = splitEntries(await fetchBytes(`/audit/log/tile/entries/000.p/${size}`))
    const hashes = splitTile(await fetchBytes(`/audit/log/tile/0/000.p/${size}`))
    expect(isTorn).toBe(false)
    expect(entries.map((entry) => Buffer.from(hashLeaf(entry, sha256)).toString('hex'))).toEqual(
      hashes.map((hash) => Buffer.from(hash).toString('hex')),
    )
    const tree = createMerkleTree(sha256)
    for (const hash of hashes) tree.append(hash)
    expect(Buffer.from(tree.root())).toEqual(Buffer.from(root))
    const { events } = (await server.call('GET', '/audit/events?limit=1000', { admin: true })).json
    const records = entries.map((entry) => JSON.parse(Buffer.from(entry).toString()))
    expect(records).toEqual(events.slice(0, size).map(({ event }: { event: unknown }) => event))
  })

  test('never change, and so may be kept for ever', async () => {
    const { headers } = await server.call('GET', '/audit/log/tile/0/000.p/1')
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
    })
    const entries = await server.call('GET', '/audit/log/tile/entries/000.p/1', { admin: true })
    expect(entries.headers['cache-control']).toBe('private, max-age=31536000, immutable')
  })

  test.each([
    'tile/0/000',
    'tile/0/001.p/1',
    'tile/1/000.p/1',
    'tile/0/000.p/255',
    'tile/0/000.p/0',
    'tile/64/000',
    'tile/0/0',
    'tile/0/%2e%2e/000',
    'tile/entries/001',
    'tile/entries/000',
    'tile/entries/x',
  ])('are 404 where the signed log has none: %s', async (path) => {
    const { status } = await server.call('GET', `/audit/log/${path}`, { admin: true })
    expect(status).toBe(404)
  })
})

describe('the records', () => {
  test.each(['/audit/log/tile/entries/000.p/1', '/audit/events/x/proof'])(
    'are for nobody without the session of an admin: %s',
    async (path) => {
      expect((await server.call('GET', path)).status).toBe(401)
    },
  )
})

describe('the proof of an event', () => {
  test('is there at once, and holds with nothing but the key of the log', async () => {
    const exchanged = await server.exchange()
    const { events } = (await server.call('GET', '/audit/events?last=1', { admin: true })).json
    const id = exchanged.json.authsec_audit
    expect(events[0].event.id).toBe(id)
    const { text } = await server.call('GET', `/audit/events/${id}/proof`, { admin: true })
    const proof = parseAuditProof(text)
    expect(holdsAuditProof(proof, sha256)).toBe(true)
    expect(JSON.parse(Buffer.from(proof.record).toString())).toEqual(events[0].event)
    const { verifier_key } = (await server.call('GET', '/audit/log/keys')).json
    expect(isSignedBy(proof.checkpoint, parseVerifierKey(verifier_key, sha256), verifyEd25519)).toBe(true)
  })

  test('is there for an id in whatever case it is written', async () => {
    const { json } = await server.exchange()
    const id = json.authsec_audit.toUpperCase()
    expect(await server.call('GET', `/audit/events/${id}/proof`, { admin: true })).toMatchObject({
      status: 200,
    })
  })

  test('is 404 for an event that never was', async () => {
    const { status, json } = await server.call('GET', '/audit/events/nothing/proof', { admin: true })
    expect({ status, json }).toMatchObject({ status: 404, json: { error: 'no event has the id "nothing"' } })
  })
})

describe('a server that stops', () => {
  test('leaves nothing unsigned behind', async () => {
    const stopping = await startTestServer()
    await stopping.exchange()
    const { text } = await stopping.call('GET', '/audit/log/checkpoint')
    expect(parseCheckpoint(text).size).toBeGreaterThan(0)
    await stopping.close()
    expect(stopping.surprises).toEqual([])
  })
})

test('what is signed is in the index of the search too', async () => {
  const state = await mkdtemp(join(tmpdir(), 'authsec-log-'))
  const own = await startTestServer({ state })
  await own.exchange()
  const { text } = await own.call('GET', '/audit/log/checkpoint')
  await own.close()
  const database = new Database(join(state, 'authsec.db'))
  const { indexed } = database.prepare('select max(seq) as indexed from audit_terms').get() as {
    indexed: number
  }
  database.close()
  await rm(state, { recursive: true })
  expect(indexed).toBeGreaterThanOrEqual(parseCheckpoint(text).size - 1)
})

test('who reads records and proofs is on record, who reads hashes is not', async () => {
  const state = await makeDirectory()
  const first = await startTestServer({ state })
  const { events } = (await first.call('GET', '/audit/events?last=2', { admin: true })).json
  const [{ event }] = events
  await first.call('GET', `/audit/events/${event.id}/proof`, { admin: true })
  for (const path of ['checkpoint', 'keys', 'tile/0/000.p/2', 'tile/entries/000.p/2'])
    expect((await first.call('GET', `/audit/log/${path}`, { admin: true })).status).toBe(200)
  await first.close()

  const second = await startTestServer({ state })
  const path = '/audit/events?filter=type=audit.read'
  const reads = (await second.call('GET', path, { admin: true })).json.events
  await second.close()
  const session = expect.any(String)
  const [{ seq }] = events
  expect(
    reads.map((read: { event: { source: string; details: object } }) => [
      read.event.source,
      read.event.details,
    ]),
  ).toEqual([
    ['GET /audit/events', { session, events: 2, first: seq, last: seq + 1 }],
    ['GET /audit/events/:id/proof', { session, events: 1, first: seq, last: seq, filter: `id=${event.id}` }],
    ['GET /audit/log/tile/entries/*', { session, events: 2, first: 0, last: 1 }],
  ])
})
