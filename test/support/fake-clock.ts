export {
  createTestClock as createFakeClock,
  settle,
  type TestClock as FakeClock,
} from '../../src/testing/test-clock.js'
