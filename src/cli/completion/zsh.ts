import { quoteWord } from '../shell-words.js'
import type { CompletedFlag, Completion, Place } from './places.js'

/** A script for zsh: to be evaluated, or to lie in the path of functions as `_authsec`. */
export function writeZsh(places: readonly Place[], directory: string): string {
  return `#compdef authsec
# Completion of authsec for zsh: eval "$(authsec completion zsh)"
_authsec_names() {
  local -a found
  [[ -r $1 ]] || return 1
  found=("\${(@f)$(<$1)}")
  compadd -a found
}

_authsec() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} at=authsec i
  local names=\${AUTHSEC_CONFIG_DIR:-${quoteWord(directory)}}/completion
  local -a found
  if [[ $cur == --*=* ]]; then prev=\${cur%%=*}; compset -P 1 '*='; fi
  for ((i = 2; i < CURRENT; i++)); do
    if [[ \${words[i]} == -- ]]; then _files; return; fi
    case "$at \${words[i]}" in
      (${places
        .slice(1)
        .map(({ path }) => quoteWord(path))
        .join(' | ')}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at $prev" in
${places.flatMap((place) => place.flags.flatMap((flag) => writeValue(place, flag))).join('\n')}
  esac
  if [[ $cur == --*=* ]]; then return 1; fi
  case $at in
${places.map(writePlace).join('\n')}
  esac
}

if [[ $funcstack[1] == _authsec ]]; then _authsec "$@"; else compdef _authsec authsec; fi
`
}

function writeValue({ path }: Place, { name, value }: CompletedFlag): string[] {
  if (value === undefined) return []
  return [`    (${quoteWord(`${path} ${name}`)}) ${writeCompletion(value)}; return ;;`]
}

function writePlace({ path, commands, flags, argument }: Place): string {
  const listed = flags.map(({ name, meaning }) => quoteWord(`${name}:${meaning}`)).join(' ')
  const next =
    commands.length > 0
      ? `found=(${commands.map(({ name, meaning }) => quoteWord(`${name}:${meaning}`)).join(' ')}); _describe command found`
      : writeCompletion(argument)
  return `    (${quoteWord(path)}) if [[ $cur == -* ]]; then found=(${listed}); _describe -o flag found; else ${next}; fi ;;`
}

function writeCompletion(completion: Completion): string {
  if (completion === 'files') return '_files'
  if (completion === 'nothing') return ':'
  if ('names' in completion) return `_authsec_names $names/${completion.names}`
  return `compadd -- ${completion.words.map(quoteWord).join(' ')}`
}
