/** What AuthSec calls the domain of a tenant: this server has one tenant, at its own host. */
export function tenantDomain(serverUrl: string): string {
  return new URL(serverUrl).hostname
}
