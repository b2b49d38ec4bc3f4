import { quoteWord } from '../shell-words.js'
import type { CompletedFlag, Completion, Place } from './places.js'

/** A script for bash, from 3.2 on. */
export function writeBash(places: readonly Place[], directory: string): string {
  return `# Completion of authsec for bash: eval "$(authsec completion bash)"
_authsec_names() {
  local name
  [[ -r $1 ]] || return
  while IFS= read -r name; do
    if [[ $name == "$cur"* ]]; then COMPREPLY+=("$name"); fi
  done < "$1"
}

_authsec_words() {
  local word
  for word in "$@"; do
    if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
  done
}

_authsec() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at=authsec i
  local names=\${AUTHSEC_CONFIG_DIR:-${quoteWord(directory)}}/completion
  # To bash the = of --flag=value is a word of its own, and a quote that is still open belongs to the word.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  cur=\${cur#[\\"\\']}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then return; fi
    case "$at \${COMP_WORDS[i]}" in
      ${places
        .slice(1)
        .map(({ path }) => quoteWord(path))
        .join(' | ')})
        at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${places.flatMap((place) => place.flags.flatMap((flag) => writeValue(place, flag))).join('\n')}
  esac
  case "$at" in
${places.map(writePlace).join('\n')}
  esac
}
complete -o default -F _authsec authsec
`
}

function writeValue({ path }: Place, { name, value }: CompletedFlag): string[] {
  if (value === undefined) return []
  return [`    ${quoteWord(`${path} ${name}`)}) ${writeCompletion(value)}return ;;`]
}

function writePlace({ path, commands, flags, argument }: Place): string {
  const names = flags.map(({ name }) => quoteWord(name)).join(' ')
  const next =
    commands.length > 0
      ? writeCompletion({ words: commands.map(({ name }) => name) })
      : writeCompletion(argument)
  return `    ${quoteWord(path)}) if [[ $cur == -* ]]; then _authsec_words ${names}; else ${next}:; fi ;;`
}

// What is left empty is completed with files, which is what -o default means.
function writeCompletion(completion: Completion): string {
  if (typeof completion === 'string') return ''
  if ('names' in completion) return `_authsec_names "$names/${completion.names}"; `
  return `_authsec_words ${completion.words.map(quoteWord).join(' ')}; `
}
