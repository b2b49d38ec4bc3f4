#!/usr/bin/env node
import module from 'node:module'

module.enableCompileCache?.()
const { main } = await import('../dist/cli/main.js')

// Not process.exit: what was printed may still be on its way.
process.exitCode = await main(process.argv.slice(2))
