import type { Alert } from './alert.ts';

/**
 * The service's own test alerts. They come through a real door under a tenant that
 * no token can have, so that nobody else's alert can hide among them. They open no
 * incident, and lists, sums and business metrics leave them out.
 */
export const canaryTenant = 'gomon:canary';
/** As which they are sent; the name of no token. */
export const canaryCaller = 'gomon:canary';
/** As which deliveries and the audit log name it. */
export const canarySender = `token:${canaryCaller}`;
/** How a list can be asked for them, and `true` its value; for everybody else it is a label like any other. */
export const canaryLabel = 'gomon_canary';

/** Names and tenants that begin so are ours. */
export const reservedPrefix = 'gomon:';

export function isCanary(alert: Pick<Alert, 'source' | 'tenant'>): boolean {
  return alert.source === 'api' && alert.tenant === canaryTenant;
}
