// Evaluated anew for each file of tests, also where files share a process.
import { afterEach } from 'vitest'
import { doDuties } from './after-each.js'

afterEach(doDuties)
