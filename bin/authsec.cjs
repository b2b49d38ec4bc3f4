#!/usr/bin/env node
const { isAbsolute, join } = require('node:path')

// What is compiled once is kept since Node 22.1. Before, the module that would do it costs a start more than it gives.
if (Number.parseInt(process.versions.node, 10) >= 22) keepCompiled()

const { main } = require('../dist/cli/main.cjs')

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
  // What was printed may still be on its way, and then the process has to end by itself. But where it waits for
  // nothing, taking all of Node apart is a part of each run that nobody needs.
  if (process.getActiveResourcesInfo().length === 0) process.exit()
})

function keepCompiled() {
  // Compiled code is code: it lies in a folder of its user, never in one that others can fill before.
  // biome-ignore lint/style/noProcessEnv: it is needed before anything that could read it is loaded.
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  const caches = XDG_CACHE_HOME || LOCALAPPDATA || (HOME && join(HOME, '.cache'))
  if (caches && isAbsolute(caches)) require('node:module').enableCompileCache?.(join(caches, 'authsec'))
}
