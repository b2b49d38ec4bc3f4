import type { Readable, Writable } from 'node:stream'
import { AuthsecError } from '../core/errors.js'
import type { Streams } from './io.js'

/** Questions to a person; only ever asked where `io.isInteractive`. */
export interface Prompts {
  /** Asks for one line of text. Ctrl-C throws `interrupted`. */
  ask(question: string): Promise<string>
  /** The same for what nobody else may see: nothing that is typed is shown. */
  askSecret(question: string): Promise<string>
  /** Lets the person choose one; the names must be printable. */
  choose(question: string, choices: readonly Choice[]): Promise<string>
  /** Lets the person choose some, or none. */
  chooseSome(question: string, choices: readonly Choice[]): Promise<string[]>
}

/** Streams that are a terminal are those of Node. */
interface Terminal {
  stdin: Readable
  stderr: Writable
}

/** What can be chosen, as it is shown and as it is meant. */
export interface Choice {
  name: string
  value: string
}

/** Prompts on standard error, so that standard output stays data; the prompt library is loaded when first asked. */
export function createPrompts(streams: Streams, signal: () => AbortSignal, isAccessible: boolean): Prompts {
  async function ask(kind: Question): Promise<unknown> {
    const { createPromptModule } = await import('inquirer')
    const { stdin: input, stderr: output } = streams as unknown as Terminal
    const prompt = createPromptModule({ input, output, signal: signal() })
    // Whoever comes back after Ctrl-Z finds the input paused by Node, which then has nothing to wait for and ends.
    const goOn = () => setImmediate(() => input.resume())
    process.on('SIGCONT', goOn)
    try {
      const { answer } = await prompt([{ ...kind, name: 'answer' }])
      return answer
    } catch (error) {
      if (signal().aborted) throw signal().reason
      // In raw mode the terminal hands Ctrl-C to the prompt, not to the process.
      if (error instanceof Error && error.name === 'ExitPromptError') {
        throw new AuthsecError('interrupted', 'interrupted at the prompt', { cause: error })
      }
      throw error
    } finally {
      process.off('SIGCONT', goOn)
      input.pause()
    }
  }
  const prompts: Prompts = {
    ask: async (message) => (await ask({ type: 'input', message })) as string,
    askSecret: async (message) => (await ask({ type: 'password', message })) as string,
    choose: async (message, choices) =>
      (await ask({ type: 'select', message, choices: [...choices] })) as string,
    chooseSome: async (message, choices) =>
      (await ask({ type: 'checkbox', message, choices: [...choices] })) as string[],
  }
  return isAccessible ? { ...prompts, ...chooseByNumber(prompts) } : prompts
}

/** Asks until there is an answer, without blanks around it. */
export async function askPersistently({ ask }: Pick<Prompts, 'ask'>, question: string): Promise<string> {
  for (;;) {
    const answer = (await ask(question)).trim()
    if (answer !== '') return answer
  }
}

/** Choices as they are heard: each with a number, which is typed. Nothing is drawn anew when a key is pressed. */
function chooseByNumber({ ask }: Pick<Prompts, 'ask'>): Pick<Prompts, 'choose' | 'chooseSome'> {
  async function choose(question: string, choices: readonly Choice[], fits: (count: number) => boolean) {
    const list = choices.map(({ name }, index) => `${index + 1}. ${name}`)
    for (let wrong = ''; ; wrong = 'There is no such number. ') {
      const answer = await ask([question, ...list, `${wrong}Number:`].join('\n'))
      const numbers = answer.split(/[\s,]+/).filter((text) => text !== '')
      const chosen = numbers.map((text) => (/^\d{1,4}$/.test(text) ? choices[Number(text) - 1] : undefined))
      if (fits(chosen.length) && chosen.every((choice) => choice !== undefined)) {
        return chosen.map(({ value }) => value)
      }
    }
  }
  return {
    choose: async (question, choices) => (await choose(question, choices, (count) => count === 1))[0] ?? '',
    chooseSome: (question, choices) =>
      choose(`${question} (several numbers with commas between them, or none)`, choices, () => true),
  }
}

type Question =
  | { type: 'input' | 'password'; message: string }
  | { type: 'select' | 'checkbox'; message: string; choices: Choice[] }
