import type { ApiTarget } from '../api/http.js'
import { revokeAnyToken, revokeToken } from '../api/tokens.js'
import { AuthsecError } from '../core/errors.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { type MintedToken, type MintRequest, mintToken } from './minting.js'
import { maskSecrets } from './secret-delivery.js'

/** A token that another program has for a while. */
export interface LentToken {
  /** What is valid now. */
  readonly current: MintedToken
  /** Renews it, and hands each new one out, until `signal` is aborted or a new one cannot be had any more. */
  keepFresh(handOut: (token: string) => Promise<void>, signal: AbortSignal): Promise<void>
  /** Makes the call tokens that still live worthless; a base token is the agent's own and stays. */
  takeBack(): Promise<void>
}

/** When a token is renewed: this part of its life is over. */
const RENEW_AT = 2 / 3
const SHORTEST_PAUSE_MS = 1_000

/** Mints a token to lend; throws what minting throws. */
export async function lendToken(
  context: Context,
  connection: Connection,
  request: MintRequest,
): Promise<LentToken> {
  const { io, clock, fetchAtEnd } = context
  const given: MintedToken[] = []

  async function mint(): Promise<MintedToken> {
    const minted = await mintToken(connection, clock, request)
    // Before anything else can print it.
    maskSecrets(context, [minted.token])
    given.push(minted)
    return minted
  }

  async function renew(handOut: (token: string) => Promise<void>): Promise<MintedToken | undefined> {
    try {
      const fresh = await mint()
      await handOut(fresh.token)
      return fresh
    } catch (error) {
      if (!AuthsecError.is(error)) throw error
      io.warn(`the token could not be renewed: ${error.message}`)
      return undefined
    }
  }

  let current = await mint()
  return {
    get current() {
      return current
    },
    async keepFresh(handOut, signal) {
      while (!signal.aborted) {
        const left = current.expiresAt - clock.now()
        await clock.sleep(Math.max(SHORTEST_PAUSE_MS, left * RENEW_AT), signal)
        const fresh = await renew(handOut)
        if (fresh === undefined) {
          if (current.expiresAt <= clock.now()) return
          continue
        }
        current = fresh
      }
    },
    async takeBack() {
      const live = given.filter(({ kind, expiresAt }) => kind === 'call' && expiresAt > clock.now())
      for (const minted of live) {
        await giveBack({ ...connection.target, fetch: fetchAtEnd }, minted).catch((error: unknown) => {
          if (!AuthsecError.is(error)) throw error
          io.warn(`the token was not revoked: ${error.message}`)
        })
      }
    },
  }
}

// A server of a team takes no word of a client that proves nothing: there the session that minted it takes it back.
async function giveBack(target: ApiTarget, { token, clientId }: MintedToken): Promise<void> {
  try {
    await revokeToken(target, { token, clientId })
  } catch (error) {
    if (target.session === undefined || !AuthsecError.is(error, 'invalid_client')) throw error
    await revokeAnyToken(target, token)
  }
}
