import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface InstalledPackage {
  /** A directory whose `node_modules` holds the package and the packages asked for, nothing else. */
  directory: string
  /** The command's script, to be run by Node. */
  command: string
  remove(): void
}

/**
 * Installs what would be published: packs the package, unpacks it elsewhere and links the packages it may use, so
 * that a file missing from the tarball or a dependency that is not declared is noticed. Asks no registry. `npm test`
 * has built `dist` before.
 */
export function installPackage(packages: readonly string[] = []): InstalledPackage {
  const directory = mkdtempSync(path.join(tmpdir(), 'authsec-e2e-'))
  const modules = path.join(directory, 'node_modules')
  const installed = path.join(modules, 'authsec')
  mkdirSync(installed, { recursive: true })

  execFileSync('tar', ['-xzf', findTarball(), '-C', installed, '--strip-components', '1'])
  if (!existsSync(path.join(installed, 'dist'))) throw new Error('nothing is built: run npm run build first')

  for (const name of packages) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name))
  }
  return {
    directory,
    command: path.join(installed, 'bin/authsec.cjs'),
    remove: () => rmSync(directory, { recursive: true }),
  }
}

/** Packs the package, once for a whole run. */
function findTarball(): string {
  const place = inject('buildPlace')
  const tarball = path.join(place, 'package.tgz')
  if (existsSync(tarball)) return tarball
  const mine = mkdtempSync(path.join(place, 'packing-'))
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', mine], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  // Whole or not at all, for whoever has been packing meanwhile.
  renameSync(path.join(mine, packed.trim()), tarball)
  return tarball
}

/** What is installed along with the package, and what only some of its users have. */
export function readDependencies(): { always: string[]; optional: string[] } {
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  return {
    always: Object.keys(manifest.dependencies),
    optional: Object.keys(manifest.peerDependencies),
  }
}
