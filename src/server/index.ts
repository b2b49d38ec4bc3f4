export type { KeyTimings } from '../authority/key-sets.js'
export { DEV_SEED, type Seed } from '../authority/seed.js'
export { parseSeed } from '../authority/seed-file.js'
export { DEFAULT_PORT, type ServingOptions } from './run.js'
export { type RunningServer, type ServerOptions, startServer } from './start.js'
export {
  type InitOptions,
  initServer,
  type SharedServer,
  type SharedServerOptions,
  startSharedServer,
} from './team-server.js'
