import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, vi } from 'vitest'

/** A command in a real terminal, with a person in front of it. */
export interface Terminal {
  /** What stands on the screen and has left it at the top; lines that the terminal has broken are one. */
  read(): Promise<string>
  /** Waits until that stands on the screen. */
  see(text: string | RegExp): Promise<void>
  /** Types texts, and presses keys by the names that tmux gives them: `Enter`, `Space`, `C-c`. */
  press(...keys: readonly string[]): Promise<void>
  resize(columns: number): Promise<void>
  /** Waits for the end of the command; returns its exit code. */
  end(): Promise<number>
  close(): Promise<void>
}

export interface TerminalOptions {
  env?: Readonly<Record<string, string>>
  columns?: number
}

const WAIT = { timeout: 60_000, interval: 50 }
const LINES = 50
// The shell that waits for the command outlives Ctrl-C, and the terminal outlives the shell's child: what tmux itself
// tells of a command that has ended is sometimes nothing.
const SHELL = `trap : INT; "$@"; printf '\\n[ended with %d]\\n' $?; sleep 600`
const ENDED = /^\[ended with (\d+)\]$/m

/** Runs a program in a terminal of tmux that nobody else shares. */
export async function openTerminal(
  words: readonly string[],
  { env = {}, columns = 100 }: TerminalOptions = {},
): Promise<Terminal> {
  const directory = await mkdtemp(join(tmpdir(), 'authsec-terminal-'))
  const tmux = async (...args: readonly string[]) => {
    const given = ['-S', join(directory, 'socket'), '-f', '/dev/null', ...args]
    return (await promisify(execFile)('tmux', given)).stdout
  }
  const variables = Object.entries({ PATH: process.env['PATH'] ?? '', TERM: 'tmux-256color', ...env })
  const command = ['env', '-i', ...variables.map(([name, value]) => `${name}=${value}`), ...words]
  const size = ['-x', String(columns), '-y', String(LINES)]
  await tmux('new-session', '-d', ...size, 'sh', '-c', SHELL, 'sh', ...command)

  const read = async () => (await tmux('capture-pane', '-p', '-J', '-S', '-')).replace(/\s+$/, '')
  const see = (text: string | RegExp) => vi.waitFor(async () => expect(await read()).toMatch(text), WAIT)
  return {
    read,
    see,
    async press(...keys) {
      await tmux('send-keys', ...keys)
    },
    async resize(width) {
      await tmux('resize-window', '-x', String(width), '-y', String(LINES))
    },
    async end() {
      await see(ENDED)
      return Number(ENDED.exec(await read())?.[1])
    },
    async close() {
      await tmux('kill-server').catch(() => '')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
