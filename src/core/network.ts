/** The network of an address: one household or machine has a whole /64 of IPv6, so its addresses count as one. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = 8 - groups.length - (tail === undefined || tail === '' ? 0 : tail.split(':').length)
  const whole = [...groups, ...Array.from({ length: tail === undefined ? 0 : missing }, () => '0')]
  if (tail !== undefined && tail !== '') whole.push(...tail.split(':'))
  return whole.slice(0, 4).join(':')
}
