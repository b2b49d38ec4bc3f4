#!/usr/bin/env node
const { enableCompileCache } = require('node:module')
const { isAbsolute, join } = require('node:path')

// Compiled code is code: it lies in a folder of its user, never in one that others can fill before.
// biome-ignore lint/style/noProcessEnv: it is needed before anything that could read it is loaded.
const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env
const caches = XDG_CACHE_HOME || LOCALAPPDATA || (HOME && join(HOME, '.cache'))
if (caches && isAbsolute(caches)) enableCompileCache?.(join(caches, 'authsec'))
const { main } = require('../dist/cli/main.cjs')

main(process.argv.slice(2)).then((code) => {
  // Not process.exit: what was printed may still be on its way.
  process.exitCode = code
})
