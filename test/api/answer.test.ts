import { describe, expect, test } from 'vitest'
import { readShape, readShapes } from '../../src/api/answer.js'

describe('reading an answer', () => {
  test('keeps what it does not know', () => {
    const shape = readShape({ id: 'a', more: { b: 1 } }, { id: 'text' }, 'thing')
    expect(shape).toEqual({ id: 'a', more: { b: 1 } })
  })

  test('reads a list that is null as empty, as AuthSec sends it', () => {
    expect(readShape({ list: null }, { list: 'texts' }, 'thing').list).toEqual([])
    expect(readShapes(null, {}, 'thing')).toEqual([])
  })

  test('leaves out what may be missing and is null', () => {
    expect(readShape({ note: null }, { note: 'text?' }, 'thing')).toEqual({})
  })

  test.each([
    { why: 'text is a number', value: { id: 1 }, message: 'the thing has no id' },
    { why: 'text is missing', value: {}, message: 'the thing has no id' },
    { why: 'an optional text is a list', value: { id: 'a', note: [] }, message: 'the thing has no note' },
    { why: 'a list holds a number', value: { id: 'a', list: [1] }, message: 'the thing has no list' },
    { why: 'it is a list itself', value: [], message: 'the thing is not an object' },
    { why: 'it is missing', value: undefined, message: 'the thing is not an object' },
  ])('is a server_error when $why', ({ value, message }) => {
    const read = () => readShape(value, { id: 'text', note: 'text?', list: 'texts' }, 'thing')
    expect(read).toThrow(
      expect.objectContaining({ code: 'server_error', message: expect.stringContaining(message) }),
    )
  })

  test('is a server_error when a list is none', () => {
    expect(() => readShapes({}, {}, 'thing')).toThrow(expect.objectContaining({ code: 'server_error' }))
  })
})
