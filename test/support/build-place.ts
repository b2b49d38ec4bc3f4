import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** A directory for what takes long to build: whoever needs it first builds it for the whole run. */
    buildPlace: string
  }
}

let place: string

export function setup({ provide }: TestProject): void {
  place = mkdtempSync(path.join(tmpdir(), 'authsec-build-'))
  provide('buildPlace', place)
}

export function teardown(): void {
  rmSync(place, { recursive: true, force: true })
}
