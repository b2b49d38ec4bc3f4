import { afterAll } from 'vitest'
import { createSchemaStores } from '../support/postgres-store.js'
import { describeStore } from './contract.js'

const { open, drop } = createSchemaStores()
afterAll(drop)

describeStore('PostgreSQL', open)
