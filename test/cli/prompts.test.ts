import { PassThrough } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { createPrompts } from '../../src/cli/prompts.js'
import { AuthsecError } from '../../src/core/errors.js'

function openPrompts(signal: AbortSignal = new AbortController().signal, isAccessible = false) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  // As the standard error of a process, which no prompt ends for the next one.
  stderr.end = () => stderr
  return {
    stdin,
    stdout,
    stderr,
    prompts: createPrompts({ stdin, stdout, stderr }, () => signal, isAccessible),
  }
}

/** Types once the question stands there. */
function typeWhenAsked(stderr: PassThrough, question: string, type: () => void): void {
  let text = ''
  stderr.on('data', (chunk) => {
    const isNew = !text.includes(question)
    text += chunk
    if (isNew && text.includes(question)) setImmediate(type)
  })
}

describe('a prompt', () => {
  test('asks on standard error and leaves standard output alone', async () => {
    const { stdin, stdout, stderr, prompts } = openPrompts()
    typeWhenAsked(stderr, 'Which name?', () => stdin.write('billing-bot\n'))
    expect(await prompts.ask('Which name?')).toBe('billing-bot')
    expect(stdout.read()).toBeNull()
  })

  test('for a secret shows nothing of what is typed', async () => {
    const { stdin, stdout, stderr, prompts } = openPrompts()
    let shown = ''
    stderr.on('data', (chunk) => {
      shown += chunk
    })
    typeWhenAsked(stderr, 'Which password?', () => stdin.write('correct horse\n'))
    expect(await prompts.askSecret('Which password?')).toBe('correct horse')
    expect(shown).not.toMatch(/correct|\*/)
    expect(stdout.read()).toBeNull()
  })

  test('ends as interrupted when Ctrl-C is typed into it', async () => {
    const { stdin, stderr, prompts } = openPrompts()
    typeWhenAsked(stderr, 'Which name?', () => stdin.write('\u0003'))
    await expect(prompts.ask('Which name?')).rejects.toMatchObject({ code: 'interrupted' })
  })

  test('still waits for the answer when the process goes on after Ctrl-Z', async () => {
    const { stdin, stderr, prompts } = openPrompts()
    const stop = vi.spyOn(process, 'kill').mockImplementation(() => {
      setImmediate(() => process.emit('SIGCONT'))
      return true
    })
    process.once('SIGCONT', () => setImmediate(() => setImmediate(() => stdin.write('billing-bot\n'))))
    typeWhenAsked(stderr, 'Which name?', () => stdin.write('\u001a'))
    expect(await prompts.ask('Which name?')).toBe('billing-bot')
    expect(stop).toHaveBeenCalledWith(process.pid, 'SIGTSTP')
    expect(stdin.isPaused()).toBe(true)
    stop.mockRestore()
  })

  test('under ACCESSIBLE lets a person choose by number, and asks again where there is none', async () => {
    const { stdin, stderr, prompts } = openPrompts(undefined, true)
    const choices = [
      { name: 'an agent', value: 'a' },
      { name: 'an application', value: 'b' },
    ]
    let shown = ''
    stderr.on('data', (chunk) => {
      shown += chunk
    })
    typeWhenAsked(stderr, '2. an application', () => stdin.write('3\n'))
    typeWhenAsked(stderr, 'There is no such number.', () => stdin.write('2\n'))
    expect(await prompts.choose('What is it?', choices)).toBe('b')
    typeWhenAsked(stderr, 'several numbers', () => stdin.write('2, 1\n'))
    expect(await prompts.chooseSome('Which?', choices)).toEqual(['b', 'a'])
    expect(shown).not.toMatch(/[❯◯◉]/)
  })

  test('ends with the reason for which the command ends', async () => {
    const ending = new AbortController()
    const { stderr, prompts } = openPrompts(ending.signal)
    typeWhenAsked(stderr, 'Which name?', () => ending.abort(new AuthsecError('terminated', 'terminated')))
    await expect(prompts.ask('Which name?')).rejects.toMatchObject({ code: 'terminated' })
  })
})
