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

/** What can be chosen, as it is shown and as it is meant. */
export interface Choice {
  name: string
  value: string
}

/** Prompts on standard error, so that standard output stays data; the prompt library is loaded when first asked. */
export function createPrompts(streams: Streams, signal: AbortSignal): Prompts {
  async function ask(kind: Question): Promise<unknown> {
    const { createPromptModule } = await import('inquirer')
    const prompt = createPromptModule({ input: streams.stdin, output: streams.stderr, signal })
    try {
      const { answer } = await prompt([{ ...kind, name: 'answer' }])
      return answer
    } catch (error) {
      if (signal.aborted) throw signal.reason
      // In raw mode the terminal hands Ctrl-C to the prompt, not to the process.
      if (error instanceof Error && error.name === 'ExitPromptError') {
        throw new AuthsecError('interrupted', 'interrupted at the prompt', { cause: error })
      }
      throw error
    }
  }
  return {
    ask: async (message) => (await ask({ type: 'input', message })) as string,
    askSecret: async (message) => (await ask({ type: 'password', message })) as string,
    choose: async (message, choices) =>
      (await ask({ type: 'select', message, choices: [...choices] })) as string,
    chooseSome: async (message, choices) =>
      (await ask({ type: 'checkbox', message, choices: [...choices] })) as string[],
  }
}

type Question =
  | { type: 'input' | 'password'; message: string }
  | { type: 'select' | 'checkbox'; message: string; choices: Choice[] }
