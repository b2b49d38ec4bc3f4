import { AuthsecError } from '../core/errors.js'
import type { Streams } from './io.js'

/** Questions to a person; only ever asked where `io.isInteractive`. */
export interface Prompts {
  /** Asks for one line of text. Ctrl-C throws `interrupted`. */
  ask(question: string): Promise<string>
  /** The same for what nobody else may see: nothing that is typed is shown. */
  askSecret(question: string): Promise<string>
}

/** Prompts on standard error, so that standard output stays data; the prompt library is loaded when first asked. */
export function createPrompts(streams: Streams, signal: AbortSignal): Prompts {
  async function ask(type: 'input' | 'password', question: string): Promise<string> {
    const { createPromptModule } = await import('inquirer')
    const prompt = createPromptModule({ input: streams.stdin, output: streams.stderr, signal })
    try {
      const { answer } = await prompt<{ answer: string }>([{ type, name: 'answer', message: question }])
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
    ask: (question) => ask('input', question),
    askSecret: (question) => ask('password', question),
  }
}
