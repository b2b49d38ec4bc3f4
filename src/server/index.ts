export { DEV_SEED, type Seed } from '../authority/seed.js'
export { parseSeed } from '../authority/seed-file.js'
export { DEFAULT_PORT, type RunningServer, type ServerOptions, startServer } from './start.js'
