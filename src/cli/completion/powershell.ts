import type { Completion, Place } from './places.js'

/** A script for PowerShell, from 5 on. */
export function writePowershell(places: readonly Place[], directory: string): string {
  return `# Completion of authsec for PowerShell: authsec completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName authsec -ScriptBlock {
  param($word, $line, $position)
  $places = @{
${places.map(writePlace).join('\n')}
  }
  $directory = if ($env:AUTHSEC_CONFIG_DIR) { $env:AUTHSEC_CONFIG_DIR } else { ${quote(directory)} }
  $at = 'authsec'
  $last = ''
  foreach ($element in $line.CommandElements | Select-Object -Skip 1) {
    $text = $element.ToString()
    if ($text -eq '--') { return }
    if ($text -eq $word -and $element.Extent.EndOffset -ge $position) { break }
    if ($places.ContainsKey("$at $text")) { $at = "$at $text" }
    $last = $text
  }
  $place = $places[$at]
  $found = if ($place.values.ContainsKey($last)) { $place.values[$last] }
    elseif ($word.StartsWith('-')) { $place.flags }
    else { $place.next }
  if ($found -is [string]) {
    $file = Join-Path $directory (Join-Path 'completion' $found)
    $found = if (Test-Path $file) { Get-Content $file } else { @() }
  }
  $found | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`
}

function writePlace({ path, commands, flags, argument }: Place): string {
  const next = commands.length > 0 ? { words: commands.map(({ name }) => name) } : argument
  const values = flags.flatMap(({ name, value }) =>
    value === undefined ? [] : [`${quote(name)} = ${writeCompletion(value)}`],
  )
  const names = writeCompletion({ words: flags.map(({ name }) => name) })
  return `    ${quote(path)} = @{ next = ${writeCompletion(next)}; flags = ${names}; values = @{ ${values.join('; ')} } }`
}

// A text is the name of a file with names.
function writeCompletion(completion: Completion): string {
  if (typeof completion === 'string') return '@()'
  if ('names' in completion) return quote(completion.names)
  return `@(${completion.words.map(quote).join(', ')})`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
