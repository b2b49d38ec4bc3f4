import type { Clock, Instant } from './clock.js'

/** How long a token may be used, and when to look for its successor. All in milliseconds. */
export interface Lifetime {
  /** The end by each clock; the earlier one counts. */
  readonly wallEnd: number
  readonly monotonicEnd: number
  /** The whole life. */
  readonly length: number
  /** With no more than this left, the token is still handed out and a new one is fetched behind it. */
  readonly soft: number
  /** With no more than this left, callers wait for a new one. */
  readonly hard: number
}

/**
 * The life of a call token that was asked for at `askedAt` and is worth `length`. The windows follow the life,
 * because a fixed margin of minutes would make a token of 60 seconds useless from the start: the soft one is a
 * quarter of it (5 s to 120 s, at most half the life) spread by ±20 % so that many agents do not refresh in
 * step; the hard one a twentieth (2 s to 10 s, at most a quarter of the life).
 */
export function callLifetime(askedAt: Instant, length: number, random: () => number): Lifetime {
  return {
    wallEnd: askedAt.wall + length,
    monotonicEnd: askedAt.monotonic + length,
    length,
    soft: Math.min(clamp(length / 4, 5_000, 120_000), length / 2) * (0.8 + 0.4 * random()),
    hard: Math.min(clamp(length / 20, 2_000, 10_000), length / 4),
  }
}

/**
 * The life of a base token. It was issued earlier and is only read again, so it ends when it says (`expiresAt`,
 * by the wall clock), is looked for again in its last tenth, and is used until its end.
 */
export function baseLifetime(askedAt: Instant, expiresAt: number, length: number): Lifetime {
  return {
    wallEnd: expiresAt,
    monotonicEnd: askedAt.monotonic + (expiresAt - askedAt.wall),
    length,
    soft: length / 10,
    hard: 0,
  }
}

/**
 * What is left of a life. Two clocks, because either alone lies: the wall clock when somebody sets it back, the
 * monotonic one when the machine sleeps.
 */
export function remaining(lifetime: Lifetime, clock: Clock): number {
  return Math.min(lifetime.wallEnd - clock.wall(), lifetime.monotonicEnd - clock.monotonic())
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
