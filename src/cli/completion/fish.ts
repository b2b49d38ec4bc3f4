import type { CompletedFlag, Completion, Place } from './places.js'

/** A script for fish, from 3.0 on. */
export function writeFish(places: readonly Place[], directory: string): string {
  return `# Completion of authsec for fish: authsec completion fish | source
set -g __authsec_places ${places.map(({ path }) => quote(path)).join(' ')}

function __authsec_at
  set -l at authsec
  for word in (commandline -opc)[2..-1]
    test "$word" = --; and return 1
    contains -- "$at $word" $__authsec_places; and set at "$at $word"
  end
  test "$at" = "$argv"
end

function __authsec_names
  set -l directory ${quote(directory)}
  set -q AUTHSEC_CONFIG_DIR; and set directory $AUTHSEC_CONFIG_DIR
  test -r $directory/completion/$argv[1]; and cat $directory/completion/$argv[1]
end

complete -c authsec -e
${places.flatMap(writePlace).join('\n')}
`
}

function writePlace({ path, commands, flags, argument }: Place): string[] {
  const at = `complete -c authsec -n ${quote(`__authsec_at ${path}`)}`
  return [
    ...commands.map(({ name, meaning }) => `${at} -f -a ${quote(name)} -d ${quote(meaning)}`),
    ...(commands.length === 0 ? [`${at} ${writeCompletion(argument)}`] : []),
    ...flags.map((flag) => `${at} -l ${flag.name.slice(2)}${writeValue(flag)} -d ${quote(flag.meaning)}`),
  ]
}

function writeValue({ value }: CompletedFlag): string {
  return value === undefined ? ' -f' : ` -r ${writeCompletion(value)}`
}

function writeCompletion(completion: Completion): string {
  if (completion === 'files') return '-F'
  if (completion === 'nothing') return '-f'
  if ('names' in completion) return `-f -a ${quote(`(__authsec_names ${completion.names})`)}`
  return `-f -a ${quote(completion.words.join(' '))}`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
