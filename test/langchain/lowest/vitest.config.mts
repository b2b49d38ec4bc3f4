import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const place = fileURLToPath(new URL('.', import.meta.url))

// The tests of authsec/langchain with the packages of this folder in the place of the newest ones.
export default defineConfig({
  root: fileURLToPath(new URL('../../..', import.meta.url)),
  plugins: [
    {
      name: 'lowest',
      enforce: 'pre',
      resolveId(source) {
        if (!/^(?:langchain|@langchain\/[^/]+)(?:\/|$)/.test(source)) return undefined
        return this.resolve(source, `${place}index.js`, { skipSelf: true })
      },
    },
  ],
  test: { include: ['test/langchain/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
