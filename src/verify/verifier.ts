import { AuthsecError } from '../core/errors.js'
import { createAdmission } from './admission.js'
import { createAuthentication } from './authentication.js'
import { assertChecks, type Presented } from './check.js'
import { DEMAND_CHECKS } from './checks.js'
import { toDelegation, type VerifiedDelegation } from './delegation.js'
import { assertExpectation, type Expectation } from './expectation.js'
import { type Inspection, reportChecks, reportUnreadable } from './inspection.js'
import { createIssuerClient, type IssuerClient } from './issuer-client.js'
import type { VerifierOptions } from './options.js'
import { readOptions, type Settings } from './settings.js'
import { signatures } from './signature.js'
import { createTrustSource } from './trust.js'
import { createUseReceipts } from './use-receipts.js'

/** Verifies delegation tokens for one API. */
export interface DelegationVerifier {
  /** Loads the metadata and keys of the server, so that the first token need not wait and `verifySync` works. */
  warm(): Promise<void>
  /**
   * Tells what a token says if every check holds (in the order of `CheckName`), and otherwise throws the first
   * refusal as an `AuthsecError`; `token_inactive` and `replayed` come last. Throws `network`, `timed_out`,
   * `server_error` or `temporarily_unavailable`, all retryable, when the keys could not be had or nobody could tell
   * whether the token was revoked or used: then nothing is said about the token.
   */
  verify(token: string, expect?: Expectation): Promise<VerifiedDelegation>
  /**
   * The same without waiting, from the keys at hand; they are renewed in the background. Throws `configuration`
   * before `warm()` has ended, and always where there is something to wait for: in a runtime without Node's crypto,
   * with `introspect`, and with a replay store that is not synchronous.
   */
  verifySync(token: string, expect?: Expectation): VerifiedDelegation
  /**
   * Evaluates every check instead of stopping at the first refusal: for people who wonder what is wrong. Uses no
   * one-time token up, and asks nobody whether it was revoked.
   */
  inspect(token: string, expect?: Expectation): Promise<Inspection>
  /** Throws a `TypeError` or `configuration` for an expectation to which no token could be held here. */
  assertExpectation(expect: unknown): asserts expect is Expectation
  /** Where clients find out how to get a token for this API, for the challenge; undefined where nowhere. */
  readonly resourceMetadata: string | undefined
  /** The document for that address, which the API serves. Throws as `verify` does when the server cannot be reached. */
  describeResource(): Promise<ResourceMetadata>
}

/** What a protected resource says of itself, RFC 9728 §2. */
export interface ResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  bearer_methods_supported: readonly string[]
}

const NOTHING_EXPECTED: Expectation = {}

/**
 * Creates the verifier of an API. Throws a `TypeError` or `configuration` for options that cannot work; asks no
 * server before the first token or `warm()`.
 */
export function createVerifier(options: VerifierOptions): DelegationVerifier {
  const settings = readOptions(options)
  const source = createTrustSource(settings)
  const authentication = createAuthentication(settings, source)
  const server = openServer(settings, findIssuer)
  const admission = createAdmission(settings, server)
  const receipts = createUseReceipts(settings, server)

  async function findIssuer(): Promise<string> {
    const [trust] = (await source.learn()).values()
    return trust?.issuers[0] as string
  }

  function assertExpected(expect: unknown): asserts expect is Expectation {
    assertExpectation(expect)
    if (expect.oneTime !== true || settings.replay !== undefined) return
    throw new AuthsecError('configuration', 'nobody remembers which one-time tokens were used', {
      hint: 'Pass replay: "server", a store that every process shares, or createMemoryReplayStore().',
    })
  }

  return {
    async warm() {
      const trusted = await source.learn()
      await Promise.all([...trusted.values()].map(({ keys }) => keys.load()))
    },

    async verify(token, expect = NOTHING_EXPECTED) {
      assertExpected(expect)
      const presented = demand(await authentication.authenticate(token), expect)
      const admitted = await admission.admit(token, presented)
      receipts.send(token, admitted)
      return toDelegation(admitted)
    },

    verifySync(token, expect = NOTHING_EXPECTED) {
      assertSynchronous(admission.waitsFor)
      assertExpected(expect)
      const presented = demand(authentication.authenticateSync(token), expect)
      admission.admitSync(presented)
      receipts.send(token, presented)
      return toDelegation(presented)
    },

    async inspect(token, expect = NOTHING_EXPECTED) {
      assertExpected(expect)
      try {
        return reportChecks({ ...(await authentication.examine(token)), expect })
      } catch (error) {
        if (AuthsecError.is(error, 'token_malformed')) return reportUnreadable(error)
        throw error
      }
    },

    assertExpectation: assertExpected,
    resourceMetadata: settings.resourceMetadata,

    async describeResource() {
      return {
        resource: settings.resource,
        authorization_servers: [await findIssuer()],
        bearer_methods_supported: ['header'],
      }
    },
  }
}

// Asks the server about single tokens; undefined where the options have it asked nothing.
function openServer(
  { source, client, replay, introspect, useReceipts, fetch, clock }: Settings,
  findIssuer: () => Promise<string>,
): IssuerClient | undefined {
  if (!('serverUrl' in source) || client === undefined) return undefined
  if (replay !== 'server' && introspect === undefined && !useReceipts) return undefined
  return createIssuerClient({ serverUrl: source.serverUrl, client, findIssuer, fetch, clock })
}

function demand(presented: Presented, expect: Expectation): Presented {
  const demanded = { ...presented, expect }
  assertChecks(DEMAND_CHECKS, demanded)
  return demanded
}

function assertSynchronous(waitsFor: string | undefined): void {
  const what = signatures.synchronous ? waitsFor : 'the crypto of this runtime'
  if (what === undefined) return
  throw new AuthsecError('configuration', `this verifier has to wait for ${what}`, {
    hint: 'Use verify(), which waits.',
  })
}
