import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Where processes, browsers and kills are waited for: begun last, one of them would be waited for alone.
const SLOW = /\/test\/(?:e2e|stress|browser)\//

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const [slow, others] = [true, false].map((is) => sorted.filter((file) => SLOW.test(file.moduleId) === is))
    return [...(slow ?? []), ...(others ?? [])]
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/bench/**'],
    globalSetup: ['postgres-host', 'server-keys', 'build-place'].map((name) => `test/support/${name}.ts`),
    // A machine may be busy with other things; what hangs is found all the same.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // More than there are cores, because some of them wait.
    maxWorkers: '150%',
    sequence: { sequencer: SlowFirst },
  },
})
