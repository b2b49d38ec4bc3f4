import type { BaseClaims, CallClaims } from '../core/claims.js'
import type { Algorithm } from './algorithm.js'
import type { VerifyEvent } from './events.js'
import type { ApiClientOptions } from './issuer-client.js'
import type { JsonWebKeySet } from './jwk.js'
import type { ProfileName } from './profile.js'
import type { ReplayStore } from './replay.js'

/** Whom a verifier believes (a server, or an issuer with its keys), and how closely it looks. */
export interface VerifierOptions {
  /** The AuthSec server: issuer, keys and tenant follow from its metadata (RFC 8414), which is read once. */
  serverUrl?: string | URL | undefined
  /** Without a server: the issuers whose call tokens are accepted. */
  issuer?: string | readonly string[] | undefined
  /** Without a server: the keys, or the URL of the key set. */
  jwks?: string | URL | JsonWebKeySet | undefined
  /** The tenant whose tokens are accepted; by default the server's, and any where nobody names one. */
  tenant?: string | undefined
  /** The name of this API, or its names: the resource that a token has to be for, byte for byte. */
  audience: string | readonly string[]
  /** The kinds of token that are accepted, `['call']` by default. Each kind has its own keys. */
  profiles?: readonly ProfileName[] | undefined
  /** The signature algorithms of call tokens, ES256 and RS256 by default. Base tokens are always RS256. */
  algorithms?: readonly Algorithm[] | undefined
  /** How many seconds a token is still accepted after its expiry: 0 to 5; by default 5, and 0 for one-time tokens. */
  clockToleranceSeconds?: number | undefined
  /** The longest chain of actors, 1 to 5, by default 5. */
  maxChainDepth?: number | undefined
  /** For how many seconds keys outlive their time while the server cannot be reached: 0 to 86,400, by default 3,600. */
  staleGraceSeconds?: number | undefined
  /**
   * Who remembers which one-time tokens were used: the server, a store that all processes of this API share, or
   * `createMemoryReplayStore`. Without one, one-time tokens are not accepted.
   */
  replay?: 'server' | ReplayStore | false | undefined
  /**
   * Whether the server is asked for each call if the token is still alive (RFC 7662), or for which claims it is. By
   * default not: a token lives seconds, and what was revoked is accepted until it expires.
   */
  introspect?: boolean | ((claims: Readonly<CallClaims> | Readonly<BaseClaims>) => boolean) | undefined
  /**
   * Whether the server is told of each call token that is accepted, for its audit log; by default not. Nothing waits for
   * that: what cannot be delivered is an event `receipt.lost`.
   */
  useReceipts?: boolean | undefined
  /** As what this API asks the server, for `replay: 'server'`, `introspect` and `useReceipts`. */
  client?: ApiClientOptions | undefined
  /** Whether a token that was found genuine is remembered for up to a minute; it is by default. */
  tokenCache?: boolean | TokenCacheOptions | undefined
  /**
   * Where clients find out how to get a token for this API (RFC 9728); named in every challenge. By default the
   * well-known address of the first audience that is a URL.
   */
  resourceMetadata?: string | URL | false | undefined
  /** Is told about keys, outages and everything else that somebody should know who runs the API. */
  onEvent?: ((event: VerifyEvent) => void) | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** The time in milliseconds since the epoch. */
  clock?: (() => number) | undefined
}

/** How many genuine tokens are remembered, and for how long. */
export interface TokenCacheOptions {
  /** 1 to 100,000, by default 1,000. */
  entries?: number
  /** 1 to 60, by default 60; never beyond the expiry of the token. */
  seconds?: number
}
