/** How an example ends that does not end with 0. */
export const EXAMPLE_CODES: Readonly<Record<string, number>> = {
  // Somebody stops these.
  'authsec audit tail': 130,
  'authsec audit tail --outcome deny': 130,
  'authsec audit tail --json --cursor-file tail.cursor --output-file audit.jsonl': 130,
  'authsec dev serve': 130,
  'authsec dev serve --ephemeral --port 0 --ready-file ready.json': 130,
  'authsec dev serve --mode shared --issuer https://authsec.example --state /var/lib/authsec --kek-file kek --audit-high-water high-water': 130,
  'authsec dev serve --mode shared --issuer https://authsec.example --store postgres://authsec@db.example/authsec --kek-file kek --audit-high-water high-water': 130,
  // The token is younger than the moment that is asked about.
  'authsec token verify token.jwt --at 2026-03-01T10:02:11Z': 12,
  // They do differ, and it does have to be renewed.
  'authsec token diff works.jwt fails.jwt': 10,
  'authsec token needs-renewal token.jwt --expires-in 2m': 10,
  // Nothing has been lost here that could be accepted.
  'authsec dev recover --accept-loss': 7,
  'authsec dev recover --accept-loss --store postgres://authsec@db.example/authsec --kek-file kek --audit-high-water mark --old-log lost': 7,
  // The server has prepared the next key long before.
  'authsec keys prepare --alg RS256': 7,
}
