/** One program of a line of shell, with what leads into it and out of it. */
export interface Stage {
  words: readonly string[]
  /** The file it reads instead of standard input. */
  from?: string
  /** The file it writes instead of standard output. */
  to?: string
  /** Whether it runs with the output of the stage before it, or only where that has failed. */
  after: 'output' | 'failure' | 'nothing'
}

/**
 * Takes a line of shell apart, as far as the examples of the help go: words and quotes, `|`, `||`, `<` and `>`. Of
 * `name=$(…)`, `eval "$(…)"` and `curl -H "$(…)"` only what is inside is meant.
 */
export function parseShellLine(line: string): Stage[] {
  const inner = /\$\((.*)\)/.exec(line)?.[1]
  const tokens = (inner ?? line).match(/\|\||[|<>]|(?:'[^']*'|"[^"]*"|[^\s|<>'"])+/g) ?? []
  const stages: Stage[] = []
  let stage: { -readonly [K in keyof Stage]: Stage[K] } & { words: string[] } = {
    words: [],
    after: 'nothing',
  }
  stages.push(stage)
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] ?? ''
    if (token === '|' || token === '||') {
      stage = { words: [], after: token === '|' ? 'output' : 'failure' }
      stages.push(stage)
    } else if (token === '<') stage.from = unquote(tokens[++index] ?? '')
    else if (token === '>') stage.to = unquote(tokens[++index] ?? '')
    else stage.words.push(unquote(token))
  }
  return stages
}

function unquote(token: string): string {
  return token.replace(/'([^']*)'|"([^"]*)"/g, (_all, single, double) => single ?? double)
}
