declare module 'cross-spawn' {
  export { spawn } from 'node:child_process'
}
