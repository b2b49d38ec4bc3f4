import { expect } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import type { Store } from '../../src/store/store.js'
import { exchangeForm } from './running-server.js'

/** Callers who exchange one token after another, whatever comes back. */
export interface MintLoad {
  /** The tokens that somebody has received. */
  readonly tokens: readonly string[]
  /** How many have been refused for the time being. */
  readonly refused: number
  /** Resolves once so many more have been issued. */
  issued(count: number): Promise<void>
  /** Resolves once so many more have been refused. */
  turnedAway(count: number): Promise<void>
  /** Rejects where an answer was neither a token nor a refusal for the time being. */
  stop(): Promise<void>
}

/** The base token of an agent. */
export async function pull(url: string, clientId: string): Promise<string> {
  const response = await fetch(`${url}/uflow/sdk/delegation-token?client_id=${clientId}`)
  const text = await response.text()
  if (!response.ok) throw new Error(`the pull was answered ${response.status}: ${text}`)
  return JSON.parse(text).token
}

/** What an exchange is answered with, whatever it is. */
export interface ExchangeAnswer {
  status: number
  headers: Headers
  body: { access_token?: string; error?: string; error_description?: string }
}

/** Exchanges a base token of an agent for a call token. */
export async function exchange(url: string, clientId: string, subjectToken: string): Promise<ExchangeAnswer> {
  const form = new URLSearchParams({ ...exchangeForm(clientId), subject_token: subjectToken })
  const response = await fetch(`${url}/oauth/token`, { method: 'POST', body: form })
  const { status, headers } = response
  return { status, headers, body: JSON.parse(await response.text()) }
}

/** Lets several callers exchange at one or more servers, in turn. */
export async function startMinting(
  urls: readonly string[],
  clientId: string,
  { callers = 8 }: { callers?: number } = {},
): Promise<MintLoad> {
  const token = await pull(urls[0] ?? '', clientId)
  const tokens: string[] = []
  let refused = 0
  let isOver = false
  const loops = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let number = caller; !isOver; number++) {
        const { status, body } = await exchange(urls[number % urls.length] ?? '', clientId, token)
        if (status === 200) tokens.push(String(body.access_token))
        else {
          expect([status, body.error, body.access_token]).toEqual([503, 'temporarily_unavailable', undefined])
          refused++
        }
      }
    }),
  )
  const until = (isReached: () => boolean) => {
    const waiting = (async () => {
      while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 5))
    })()
    // What a caller cannot take ends the waiting too.
    return Promise.race([waiting, loops.then(() => {})])
  }
  return {
    tokens,
    get refused() {
      return refused
    },
    issued(count) {
      const goal = tokens.length + count
      return until(() => tokens.length >= goal)
    },
    turnedAway(count) {
      const goal = refused + count
      return until(() => refused >= goal)
    },
    async stop() {
      isOver = true
      await loops
    },
  }
}

/** A log of tokens that is read on and on, each time only what is new of it. */
export interface TokenLog {
  /** Expects that its numbers have no gap and that it holds every token, once. */
  expectRecorded(tokens: readonly string[]): Promise<void>
}

/** Begins at the first record. */
export function followTokens(store: Pick<Store, 'audit'>): TokenLog {
  const issued = new Set<string>()
  let next = 0
  return {
    async expectRecorded(tokens) {
      const found = await store.audit.search({ after: next - 1, limit: 1_000_000 })
      expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => next + index))
      next += found.length
      const fresh = found
        .map(({ record }) => JSON.parse(record))
        .filter(({ type, outcome }) => type === 'token.exchanged' && outcome === 'allow')
        .map(({ jti }) => jti as string)
      expect(new Set(fresh).size).toBe(fresh.length)
      expect(fresh.filter((jti) => issued.has(jti))).toEqual([])
      for (const jti of fresh) issued.add(jti)
      const lost = tokens.filter((token) => !issued.has(String(parseJwt(token).claims['jti'])))
      expect(lost).toEqual([])
    },
  }
}

/** Expects a log whose numbers have no gap and that holds every token, once. */
export function expectRecorded(store: Pick<Store, 'audit'>, tokens: readonly string[]): Promise<void> {
  return followTokens(store).expectRecorded(tokens)
}
