import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { AuthsecError, createAuthsecClient, type ErrorCode } from '../../src/sdk/index.js'
import { resolveOptions } from '../../src/sdk/options.js'

const OPTIONS = {
  serverUrl: 'http://127.0.0.1:7468',
  clientId: '0197a000-0000-7000-8000-000000000001',
  credentials: 'none',
} as const
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')

/** The rows under a heading, each as its cells, without those of the heading. */
function readTable(heading: string): string[][] {
  const [, ...rest] = readme.split(`\n| ${heading} |`)
  expect(rest).toHaveLength(1)
  const lines = (rest[0] ?? '').split('\n\n', 1)[0]?.split('\n').slice(2) ?? []
  return lines.map((line) => line.split('|').slice(1, -1))
}

function listNames(text = ''): string[] {
  return [...text.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name)
}

test('the README tells the defaults of a client as they are', () => {
  const { cache, http, transport, narrow } = resolveOptions(OPTIONS)
  const write = (...values: number[]) => values.map((value) => value.toLocaleString('en')).join(', ')
  const rows = readTable('Option of `createAuthsecClient` | Default | Meaning')
  expect(
    Object.fromEntries(rows.map(([names = '', usual = '']) => [names.trim(), usual.trim()])),
  ).toMatchObject({
    '`cache.capacity`, `.perSubject`': write(cache.capacity, cache.perSubject),
    '`cache.maxTtlSeconds`': write(cache.maxTtlSeconds),
    '`cache.strictTtl`': `\`${cache.strictTtl}\``,
    '`http.attemptTimeoutMs`, `.totalTimeoutMs`': write(http.attemptTimeoutMs, http.totalTimeoutMs),
    '`http.maxAttempts`': write(http.maxAttempts),
    '`transport`': `\`'${transport}'\``,
    '`narrow`': `\`'${narrow}'\``,
  })
})

test('the README names every member of stats()', async () => {
  const client = createAuthsecClient(OPTIONS)
  const named = readTable('Member | Counts').flatMap(([names]) => listNames(names))
  expect(named.sort()).toEqual(Object.keys(client.stats()).sort())
  await client.close()
})

test('the README names every event of a client', async () => {
  const source = await readFile(new URL('../../src/sdk/events.ts', import.meta.url), 'utf8')
  const types = [...source.matchAll(/type: '([\w.]+)'/g)].map(([, type = '']) => type)
  const named = readTable('Event | When').flatMap(([names]) => listNames(names))
  expect(named.sort()).toEqual(types.sort())
})

test('the README tells the action of each code as it is', () => {
  const rows = readTable('`action` | Codes that an agent meets')
  expect(rows.length).toBeGreaterThan(0)
  for (const [action, codes] of rows) {
    for (const code of listNames(codes)) {
      expect([code, new AuthsecError(code as ErrorCode, '').action]).toEqual([code, listNames(action)[0]])
    }
  }
})
