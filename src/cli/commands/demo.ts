import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../core/errors.js'
import type { StoryEvent } from '../../demo/events.js'
import { wrapText } from '../columns.js'
import type { Context } from '../context.js'
import { describe } from '../help.js'

/** What happens, step by step; each has a type. */
export type Output = StoryEvent

export function addDemo(parent: Command, context: Context): void {
  describe(parent.command('demo'), {
    summary: 'watch an agent work with delegation tokens, offline',
    details:
      'Starts a server and three APIs on free ports of this machine, lets a LangChain agent call them with ' +
      'call tokens and refund money with approval, shows what is refused, and ends. Needs langchain, but no model service and no network.',
    examples: [['authsec demo', 'the whole story']],
    exits: [0, 1, 2, 130],
  })
    .option('--json', 'print JSON Lines', false)
    .action(async ({ json }) => demo(context, json))
}

async function demo({ io, signal }: Context, json: boolean): Promise<void> {
  const { runDemo } = await import('../../demo/story.js')
  const print = (text: string) => {
    for (const line of text.split('\n')) io.line(wrapText(line, io.width, '    '))
  }
  const isAsExpected = await runDemo({
    emit: (event, describeEvent) => (json ? io.jsonLine<Output>(event) : print(describeEvent())),
    note: (line) => io.note(line),
    signal,
  })
  if (!isAsExpected) {
    throw new AuthsecError('internal', 'the demo did not go as it should', {
      hint: 'The lines above show what was not accepted or not refused.',
    })
  }
}
