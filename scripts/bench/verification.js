// What an API spends on a call token: on the token itself, beside libraries that check less of it, on the call that it
// is bound to, and in Express.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { AUDIENCE, createCallToken, ISSUER } from './call-token.js'
import { importPeer } from './peers.js'
import { compareSeries } from './ratio.js'
import { repeatInTurn } from './repeat.js'

const DIST = new URL('../../dist/', import.meta.url)

export const verification = {
  name: 'verification',
  title: 'verified call tokens (RS256), throughput relative to',

  async measure() {
    const subject = await createCallToken()
    return [
      ...(await measureVerifiers(subject)),
      await measureBinding(),
      ...(await measureMiddleware(subject)),
    ]
  },
}

async function measureVerifiers({ token, jwks, pem }) {
  const { createVerifier } = await import(new URL('verify/index.js', DIST))
  const { JwtVerifier } = await importPeer('aws-jwt-verify')
  const { createVerifier: createFastVerifier } = await importPeer('fast-jwt')

  const options = { issuer: ISSUER, jwks, audience: AUDIENCE }
  const [plain, caching] = [createVerifier({ ...options, tokenCache: false }), createVerifier(options)]
  await Promise.all([plain.warm(), caching.warm()])
  const aws = JwtVerifier.create({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${ISSUER}/oauth/jwks` })
  aws.cacheJwks(jwks)
  const fast = createFastVerifier({ key: pem, cache: true, allowedIss: ISSUER, allowedAud: AUDIENCE })

  const keys = createLocalJWKSet(jwks)
  const joseOptions = { issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'] }

  const [own, toAws, cached, toFast, waiting, toJose] = await repeatInTurn([
    ...[plain, aws, caching].map((verifier) => () => verifier.verifySync(token)),
    () => fast(token),
    () => plain.verify(token),
    () => jwtVerify(token, keys, joseOptions),
  ])
  return [
    { what: 'aws-jwt-verify: verifySync', ratio: compareSeries(own, toAws), aim: { atLeast: 0.9 } },
    { what: 'fast-jwt: both with a cache', ratio: compareSeries(cached, toFast), aim: { atLeast: 0.8 } },
    { what: 'jose: jwtVerify, both waited for', ratio: compareSeries(waiting, toJose) },
  ]
}

/** What it costs to hold a token to the call that it is for, in hashes of the same arguments. */
async function measureBinding() {
  const { hashCall } = await import(new URL('core/call-binding.js', DIST))
  const args = { order: 'o-1', reason: 'x'.repeat(1_000), cents: 1_250 }
  const bytes = Buffer.from(JSON.stringify(args))
  const salt = new Uint8Array(16)
  const sha256 = (data) => createHash('sha256').update(data).digest()
  const [bound, bare] = await repeatInTurn([
    () => hashCall({ aud: AUDIENCE, tool: 'refund', args }, salt, sha256),
    () => sha256(bytes),
  ])
  return {
    what: 'SHA-256 of 1 kB: time of a binding',
    ratio: compareSeries(bare, bound),
    aim: { atMost: 10 },
  }
}

/** A whole middleware, with the request as Express hands it over and without the network around it. */
async function measureMiddleware({ token, jwks }) {
  const { createVerifier } = await import(new URL('verify/index.js', DIST))
  const { requireDelegation } = await import(new URL('middleware/express.js', DIST))
  const { auth } = await importPeer('express-oauth2-jwt-bearer')
  const express = await importPeer('express')
  const keyServer = createServer((_request, response) => response.end(JSON.stringify(jwks)))
  await once(keyServer.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = keyServer.address()
    const trust = { issuer: ISSUER, audience: AUDIENCE }
    const jwksUri = `http://127.0.0.1:${port}/jwks`
    const guards = [
      requireDelegation(createVerifier({ ...trust, jwks: jwksUri })),
      requireDelegation(createVerifier({ ...trust, jwks: jwksUri, tokenCache: false })),
      auth({ ...trust, jwksUri, strict: true, tokenSigningAlg: 'RS256' }),
    ]
    const pass = prepareRequests(express.default(), token)
    const [own, uncached, theirs] = await repeatInTurn(guards.map((guard) => () => pass(guard)))
    return [
      {
        what: 'express-oauth2-jwt-bearer: middleware',
        ratio: compareSeries(own, theirs),
        aim: { atLeast: 2.5 },
      },
      { what: '… without the token cache', ratio: compareSeries(uncached, theirs) },
    ]
  } finally {
    keyServer.close()
  }
}

/** Sends a request of an app through a guard; rejects unless the guard lets it pass. */
function prepareRequests(app, token) {
  const socket = new Socket()
  const headers = ['host', '127.0.0.1', 'authorization', `Bearer ${token}`]
  return (guard) =>
    new Promise((resolve, reject) => {
      const request = new IncomingMessage(socket)
      Object.assign(request, { method: 'GET', url: '/bill', originalUrl: '/bill', rawHeaders: headers, app })
      // As the HTTP parser fills it: what shows the headers counts on that.
      request._addHeaderLines(headers, headers.length)
      Object.setPrototypeOf(request, app.request)
      const response = Object.setPrototypeOf(new ServerResponse(request), app.response)
      response.end = (body) => reject(new Error(`a guard has answered ${response.statusCode}: ${body}`))
      guard(request, response, (error) => (error ? reject(error) : resolve()))
    })
}
