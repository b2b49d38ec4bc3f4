import { isIP } from 'node:net'

/**
 * The address that a request comes from: the peer, or, where the peer is a proxy of ours, the last address of
 * `X-Forwarded-For` that is none of them. What stands further to the left anybody may have written.
 */
export function findAddress(
  peer: string | undefined,
  forwarded: string | null,
  proxies: readonly string[],
): string | undefined {
  if (peer === undefined || !proxies.includes(unmap(peer))) return peer
  const hops = (forwarded ?? '').split(',').map((hop) => hop.trim())
  const last = hops.findLast((hop) => !proxies.includes(unmap(hop)))
  return last !== undefined && isIP(last) !== 0 ? last : peer
}

// A socket for both families shows an IPv4 peer as an IPv6 address.
function unmap(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
