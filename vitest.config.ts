import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const NO_TESTS = ['**/node_modules/**', 'test/bench/**']
// These share processes, which load once what each of them needs: to evaluate the server anew for each file costs a
// third of what its tests do. What they import of the tests has no hook and no variable of its own, and nothing of
// theirs is put in the place of a module.
export const SHARING = [
  'api',
  'authority',
  'cli',
  'core',
  'langchain',
  'middleware',
  'oauth-clients',
  'sdk',
  'server',
  'verify',
  'wire',
].map((part) => `test/${part}/**/*.test.ts`)

const COMMON = {
  setupFiles: ['test/support/hooks.ts'],
  // A machine may be busy with other things; what hangs is found all the same.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 60_000 } },
}

// Where processes, browsers and kills are waited for: begun last, one of them would be waited for alone.
const SLOW = /\/test\/(?:e2e|stress|browser)\//
// These run the tests of other files, which their own size does not tell.
const SLOWEST = /\/test\/stress\/(?:langchain-lowest|postgres-14)\./

/** What is slow first, and last, one after the other, what shares processes. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification) => {
      if (!project.config.isolate) return 3
      return [SLOWEST, SLOW].filter((places) => !places.test(moduleId)).length
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...COMMON,
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: [...NO_TESTS, ...SHARING],
        },
      },
      { test: { ...COMMON, name: 'together', include: SHARING, exclude: NO_TESTS, isolate: false } },
    ],
    globalSetup: ['postgres-host', 'server-keys', 'build-place'].map((name) => `test/support/${name}.ts`),
    // More than there are cores, because some of them wait.
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    sequence: { sequencer: SlowFirst },
  },
})
