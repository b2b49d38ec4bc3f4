// What a server of one thread can do at best that signs synchronously and records durably: bare node:http, an ES256
// signature, one row. The requests of one turn share a commit, and nothing is checked. Says its address in one line of
// JSON, as `authsec dev serve --json` does.

import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import Database from 'libsql'

const database = new Database(process.argv[2])
database.exec('pragma locking_mode = exclusive')
database.exec('pragma journal_mode = wal')
database.exec('pragma synchronous = full')
database.exec('create table issued (seq integer primary key, token text not null)')
const insert = database.prepare('insert into issued (token) values (?)')

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { key: privateKey, dsaEncoding: 'ieee-p1363' }
const header = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'ceiling' })

let waiting = []

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    if (waiting.length === 0) setImmediate(commit)
    waiting.push({ response, token: issue(form.get('scope')) })
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
})

function issue(scope) {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: 'http://127.0.0.1', aud: 'https://billing.example', iat, exp: iat + 60, scope }
  const input = `${header}.${encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

function commit() {
  const group = waiting
  waiting = []
  database.exec('begin')
  for (const { token } of group) insert.run([token])
  database.exec('commit')
  for (const { response, token } of group) {
    const body = JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 60 })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  }
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
