import { expect, test } from 'vitest'

type MeasureSize = (
  entries: readonly string[],
  options?: { without?: readonly string[] },
) => Promise<{ loaded: number; later: number }>

// The benchmark prints the same numbers beside what we aim at: npm run bench -- client.
const { measureSize }: { measureSize: MeasureSize } = await import(
  new URL('../../scripts/bench/size.js', import.meta.url).href
)

// A little above what they are: who adds to an entry sees here what everybody downloads for it, and raises the number, or
// lets it wait in sdk/on-demand.ts.
test.each([
  // 200 of them tell an answer of a person that was lost from none, and keep a good token where a user's login is away.
  { what: 'the client', entries: ['sdk'], most: 24_050 },
  { what: 'the client and the verifier', entries: ['sdk', 'verify'], most: 35_110 },
  // 50 of them are in every error: a model reads our words beside each code; 80 refuse a second spelling of PSS.
  { what: 'the verifier', entries: ['verify'], most: 20_880 },
  // 260 of them check every member of a delegation, and every option, when a tool or a middleware is made.
  { what: 'the adapter of LangChain', entries: ['langchain'], without: ['sdk', 'core'], most: 3_000 },
])('$what loads no more than $most bytes, minified and gzipped', async ({ entries, without = [], most }) => {
  expect((await measureSize(entries, { without })).loaded).toBeLessThanOrEqual(most)
})

test('what few calls need waits until it is used', async () => {
  expect((await measureSize(['sdk'])).later).toBeGreaterThan(4_000)
})
