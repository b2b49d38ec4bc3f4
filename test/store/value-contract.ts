import { describe, expect, test } from 'vitest'
import type { GetOpened } from './contract.js'
import { createClient, createRecord } from './samples.js'

const TEXTS = [
  { what: 'quotes', text: `'; drop table clients; -- " \` ''` },
  { what: 'placeholders', text: '? ?1 $1 :name @name %s {x}' },
  { what: 'backslashes', text: '\\ \\\\ \\0 \\u0000 \\x27' },
  { what: 'controls', text: '\u0001\t\r\n\u001b[31m\u007f\u0085' },
  { what: 'emoji', text: '👩‍👩‍👧 🏴‍☠️ \u{10ffff}' },
  { what: 'what looks alike in another form', text: 'e\u0301 é ﬁ \ufeff' },
  { what: 'what reorders the line', text: '\u202egnp.exe\u2066' },
  { what: 'a number', text: '1e3' },
  { what: 'nothing', text: '' },
  { what: 'spaces at the ends', text: '  x  ' },
  { what: 'a very long text', text: 'ä🙂'.repeat(250_000) },
]

const REFUSED: readonly { what: string; value: unknown }[] = [
  { what: 'U+0000', value: 'a\0b' },
  { what: 'a lone high surrogate', value: 'a\ud800' },
  { what: 'a lone low surrogate', value: '\udc00b' },
  { what: 'NaN', value: Number.NaN },
  { what: 'infinity', value: Number.POSITIVE_INFINITY },
  { what: 'an object', value: {} },
  { what: 'a list', value: ['a'] },
  { what: 'a date', value: new Date(0) },
]

/** Nothing that is stored is read as SQL, cut, or changed on its way. */
export function describeValues(getOpened: GetOpened): void {
  describe('values', () => {
    test.each(TEXTS)('come out as they went in: $what', async ({ text }) => {
      const { store } = getOpened()
      const client = createClient('c', { name: text, agentType: text, selectors: { [text]: text } })
      await store.write(async ({ settings, clients, audit }) => {
        await settings.insert({ name: `key ${text}`, value: text })
        await clients.insert(client)
        audit.append(createRecord('r', { record: text, client: text, userAgent: text }))
      })
      expect(await store.settings.find(`key ${text}`)).toBe(text)
      expect(await store.clients.find('c')).toEqual(client)
      expect(
        await store.audit.search({ filter: [{ field: 'client', operator: '=', value: text }], limit: 2 }),
      ).toEqual([{ seq: 0, record: text }])
    })

    test.each(TEXTS)('are found by what they are and nothing else: $what', async ({ text }) => {
      const { store } = getOpened()
      expect(await store.settings.find(text)).toBeUndefined()
      expect(await store.users.findByEmail(text)).toBeUndefined()
      expect(await store.clients.find(text)).toBeUndefined()
      expect(await store.resources.find(text)).toBeUndefined()
      expect(await store.policies.findApplicable([text], text, text)).toBeUndefined()
      expect(await store.delegations.findStanding(text, text)).toBeUndefined()
      expect(
        await store.audit.search({ filter: [{ field: 'jti', operator: '=', value: text }], limit: 2 }),
      ).toEqual([])
    })

    test.each(REFUSED)('are refused when they would not come back the same: $what', async ({ value }) => {
      const { store } = getOpened()
      const [refused, other] = await Promise.allSettled([
        store.write(async ({ settings }) => {
          await settings.insert({ name: 'trace', value: 'here' })
          await settings.insert({ name: 'hostile', value: value as string })
        }),
        store.write(({ settings }) => settings.insert({ name: 'other', value: 'here' })),
      ])
      expect(refused).toMatchObject({ status: 'rejected', reason: { name: 'TypeError' } })
      expect(other.status).toBe('fulfilled')
      expect(await store.settings.find('trace')).toBeUndefined()
      expect(await store.settings.find('hostile')).toBeUndefined()
    })

    test.each(REFUSED)(
      'are refused in a record too, with whatever was to be recorded: $what',
      async ({ value }) => {
        const { store } = getOpened()
        const written = store.write(async ({ settings, audit }) => {
          await settings.insert({ name: 'trace', value: 'here' })
          audit.append(createRecord('r', { client: value as string }))
        })
        await expect(written).rejects.toThrow(TypeError)
        expect(await store.settings.find('trace')).toBeUndefined()
        expect(await store.audit.head()).toBe(-1)
      },
    )

    test.each(REFUSED.filter(({ value }) => typeof value === 'string'))(
      'are not even asked for: $what',
      async ({ value }) => {
        await expect(getOpened().store.settings.find(String(value))).rejects.toThrow(TypeError)
      },
    )

    test.each([0, 1, -1, 2 ** 31, Date.UTC(9999, 11, 31), Number.MAX_SAFE_INTEGER])(
      'times keep every digit: %d',
      async (time) => {
        const { store } = getOpened()
        await store.write(({ clients }) => clients.insert(createClient('c', { createdAt: time })))
        expect((await store.clients.find('c'))?.createdAt).toBe(time)
      },
    )
  })
}
