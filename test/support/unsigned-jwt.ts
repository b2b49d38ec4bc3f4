/** A well-formed token whose signature is worth nothing. */
export function formatUnsignedJwt(header: object, claims: object): string {
  const [first, second] = [header, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  return `${first}.${second}.c2lnbmF0dXJl`
}
