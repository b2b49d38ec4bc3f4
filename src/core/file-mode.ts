/**
 * Whether a file lets in anybody but its owner, by its `mode` (`stat`). On Windows, `win32` as Node.js calls it, a mode
 * says nothing of that.
 */
export function isOpenToOthers({ mode }: { mode: number }, platform: string): boolean {
  return platform !== 'win32' && (mode & 0o077) !== 0
}
