import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openShell, type Shell } from './shell.js'

let shell: Shell

beforeAll(() => {
  shell = openShell()
})

afterAll(() => shell.close())

describe('authsec demo', () => {
  test('tells the story and ends with exit code 0, without a token on either stream', async () => {
    const { code, stdout, stderr } = await shell.run(['demo'])
    expect({ code, stderr: stderr.includes('authsec:') }).toEqual({ code: 0, stderr: false })
    for (const word of ['billing', 'profile', 'orders', 'refused']) expect(stdout).toContain(word)
    expect(stdout + stderr).not.toMatch(/eyJ[\w-]+\.eyJ/)
  })

  test('emits JSON Lines that a program can read, each with its type', async () => {
    const { code, stdout } = await shell.run(['demo', '--json'])
    expect(code).toBe(0)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) expect(line).toHaveProperty('type')
    expect(lines).toContainEqual({ type: 'fan_out', calls: 6, tokens: 1 })
    expect(lines.filter(({ type }) => type === 'refunded')).toMatchObject([
      { amount: '20.00', approved: false },
      { amount: '120.00', approved: true },
    ])
    expect(lines.filter(({ type }) => type === 'refused').map(({ code }) => code)).toEqual([
      'invalid_scope',
      'call_mismatch',
      'approval_required',
      'token_expired',
      'audience_mismatch',
    ])
    expect(lines.at(-1)).toEqual({ type: 'end', expected: 11, happened: 11, as_expected: true })
  })
})
