import { AuthsecError } from '../../core/errors.js'

/** Where AuthSec keeps the clients of a tenant. */
export const CLIENTS = '/clientms/tenants/:tenant/clients'

/** A server has one tenant; throws `tenant_mismatch` where another one is named. */
export function assertTenant({ tenant }: Readonly<Record<string, string>>, tenantId: string): void {
  if (tenant?.toLowerCase() === tenantId) return
  throw new AuthsecError('tenant_mismatch', 'tenant ID mismatch between token and URL')
}
