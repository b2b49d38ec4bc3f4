/** A path of AuthSec's SPIRE service, which is reached beside the others under no prefix at all. */
export function spirePaths(path: string): readonly string[] {
  return [`/authsec/spiresvc${path}`, `/spiresvc${path}`, path]
}
