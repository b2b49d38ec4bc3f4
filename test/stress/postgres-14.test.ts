import { afterAll, beforeAll, describe } from 'vitest'
import { describeStore } from '../store/contract.js'
import { type PostgresCluster, startPostgresCluster } from '../support/postgres-cluster.js'
import { createSchemaStores } from '../support/postgres-store.js'

/** Where its binaries are; `npm run test:stress` installs them. */
const PLACE = process.env['AUTHSEC_STRESS_POSTGRES_14']

describe.skipIf(PLACE === undefined)('the oldest PostgreSQL that will do', () => {
  let cluster: PostgresCluster | undefined
  const { open, drop } = createSchemaStores(() => cluster?.url)
  beforeAll(async () => {
    cluster = await startPostgresCluster(PLACE)
  })
  afterAll(async () => {
    await drop()
    await cluster?.remove()
  })

  describeStore('PostgreSQL 14', open)
})
