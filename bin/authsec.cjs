#!/usr/bin/env node
const { enableCompileCache } = require('node:module')

enableCompileCache?.()
const { main } = require('../dist/cli/main.cjs')

main(process.argv.slice(2)).then((code) => {
  // Not process.exit: what was printed may still be on its way.
  process.exitCode = code
})
