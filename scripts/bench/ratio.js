/**
 * The ratio of two series that were measured in turn: the median of the ratios round by round, because what else the
 * machine did in a round it did to both. `low` and `high` are the quartiles, which tell how far to trust it.
 */
export function compareSeries(ours, theirs) {
  const ratios = ours.map((value, round) => value / theirs[round]).sort((a, b) => a - b)
  const quantile = (share) => ratios[Math.round((ratios.length - 1) * share)]
  return { median: quantile(0.5), low: quantile(0.25), high: quantile(0.75) }
}

/** One line: what was compared, the ratio, and what it aims at, `{ atMost }` or `{ atLeast }`. */
export function formatRatio({ what, ratio: { median, low, high }, aim }) {
  const spread = `(${low.toFixed(2)} to ${high.toFixed(2)})`
  return `  ${what.padEnd(36)} ${median.toFixed(2).padStart(6)} ×  ${spread}${formatAim(aim, median)}`
}

function formatAim(aim, ratio) {
  if (aim === undefined) return ''
  const { atMost = Number.POSITIVE_INFINITY, atLeast = 0 } = aim
  const isMet = ratio >= atLeast && ratio <= atMost
  const bound = aim.atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`
  return `  aim ${bound}: ${isMet ? 'met' : 'missed'}`
}
