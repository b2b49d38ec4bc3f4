import { createInterface } from 'node:readline'
import { AuthsecError } from '../../src/core/errors.js'
import { openStore } from '../../src/store/open.js'
import { createRecord } from './samples.js'

// One of several processes on a database. It writes until it is told to end or is killed, and says what is durable.
const [url = '', name = ''] = process.argv.slice(2)
try {
  const store = await openStore(url)
  console.log('open')
  let isWriting = true
  const asked = createInterface({ input: process.stdin })
  asked.once('line', () => {
    isWriting = false
  })
  for (let number = 0; isWriting; number += 5) {
    const ids = [0, 1, 2, 3, 4].map((offset) => `${name}${number + offset}`)
    await Promise.all(ids.map((id) => store.write(async ({ audit }) => audit.append(createRecord(id)))))
    console.log(ids.join(' '))
  }
  await store.close()
  console.log('closed')
  asked.close()
} catch (error) {
  if (!AuthsecError.is(error)) throw error
  console.log(`${error.code} ${error.message}`)
}
