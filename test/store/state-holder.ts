import { createInterface } from 'node:readline'
import { AuthsecError } from '../../src/core/errors.js'
import { openState } from '../../src/server/state.js'

// A process that holds the state of a directory until it is told otherwise or killed.
try {
  const { store, close } = await openState({ state: process.argv[2] ?? '' })
  console.log('holds')
  let count = 0
  for await (const command of createInterface({ input: process.stdin })) {
    if (command === 'write') {
      const name = `n${count++}`
      await store.write(({ settings }) => settings.insert({ name, value: String(process.pid) }))
      console.log('written')
    } else {
      await close()
      console.log('closed')
    }
  }
} catch (error) {
  if (!AuthsecError.is(error)) throw error
  console.log(error.code, /pid (\d+)/.exec(error.message)?.[1])
}
