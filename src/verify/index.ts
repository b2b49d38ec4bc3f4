export type { ActorClaim, BaseClaims, CallClaims } from '../core/claims.js'
export { AuthsecError, type ErrorCode } from '../core/errors.js'
export type { JsonObject } from '../core/strict-json.js'
export type { Algorithm } from './algorithm.js'
export type { CheckName } from './check.js'
export type { Actor, Principal, VerifiedDelegation } from './delegation.js'
export type { VerifyEvent } from './events.js'
export type { Expectation } from './expectation.js'
export type { CheckResult, Inspection } from './inspection.js'
export type { ApiClientOptions } from './issuer-client.js'
export type { JsonWebKey, JsonWebKeySet } from './jwk.js'
export type { TokenCacheOptions, VerifierOptions } from './options.js'
export type { ProfileName } from './profile.js'
export {
  createMemoryReplayStore,
  type MemoryReplayOptions,
  type MemoryReplayStore,
  type ReplayStore,
} from './replay.js'
export { createVerifier, type DelegationVerifier, type ResourceMetadata } from './verifier.js'
