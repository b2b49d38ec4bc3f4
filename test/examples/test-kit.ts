import assert from 'node:assert'
import { createTestAuthsec, expectNoTokenLeak } from 'authsec/testing'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }

const { authsec, verifier, clock, faults, close } = await createTestAuthsec()
faults.rateLimit({ on: 'token', retryAfter: 2 })
const asked = authsec.getDelegationToken(request)
await clock.advance(2_000)
const token = await asked
assert.equal((await verifier.verify(token.reveal())).permissions.has('billing:read'), true)

await clock.advance(70_000)
await assert.rejects(verifier.verify(token.reveal()), { code: 'token_expired' })
await close()

// Throws and names the place where a token was left: what was printed, thrown, returned or told to a callback.
await expectNoTokenLeak(async (run) => {
  console.log(await run.authsec.getDelegationToken(request))
})
