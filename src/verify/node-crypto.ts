/**
 * The crypto module of Node; undefined in a runtime that has none. Asked for instead of imported, so that one and the
 * same file also runs, and can be bundled, where no module of Node exists.
 */
export const nodeCrypto: typeof import('node:crypto') | undefined =
  globalThis.process?.getBuiltinModule?.('node:crypto')
