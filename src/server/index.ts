export { DEV_SEED, type Seed } from '../authority/seed.js'
export { DEFAULT_PORT, type RunningServer, type ServerOptions, startServer } from './start.js'
