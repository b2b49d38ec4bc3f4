/**
 * The ratio of two series that were measured in turn: the median of the ratios round by round, because what else the
 * machine did in a round it did to both. `low` and `high` are the quartiles, which tell how far to trust it.
 */
export function compareSeries(ours, theirs) {
  const ratios = ours.map((value, round) => value / theirs[round]).sort((a, b) => a - b)
  const quantile = (share) => ratios[Math.round((ratios.length - 1) * share)]
  return { median: quantile(0.5), low: quantile(0.25), high: quantile(0.75) }
}

/**
 * One line: what was compared, the ratio, and what it aims at, `{ atMost }` or `{ atLeast }`. What is counted and the
 * same in every run is a `value` instead.
 */
export function formatLine({ what, ratio, value, aim }) {
  if (ratio === undefined) return `  ${what.padEnd(38)} ${formatNumber(value)}${formatAim(aim, value)}`
  const { median, low, high } = ratio
  const digits = median < 0.1 ? 4 : 2
  const spread = `(${low.toFixed(digits)} to ${high.toFixed(digits)})`
  return `  ${what.padEnd(38)} ${median.toFixed(digits).padStart(6)} ×  ${spread}${formatAim(aim, median)}`
}

function formatNumber(value) {
  return (Number.isInteger(value) ? String(value) : value.toFixed(1)).padStart(6)
}

function formatAim(aim, ratio) {
  if (aim === undefined) return ''
  const { atMost = Number.POSITIVE_INFINITY, atLeast = 0 } = aim
  const isMet = ratio >= atLeast && ratio <= atMost
  const bound = aim.atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`
  return `  aim ${bound}: ${isMet ? 'met' : 'missed'}`
}
