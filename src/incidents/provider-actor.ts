import type { Actor } from '../alerts/actions.ts';

/**
 * Who did something at the provider, for the audit log: `opsgenie:ada@example.com`.
 * Without a name it was one of the vendor's own rules, or nobody said who.
 */
export function actorThere(provider: string, person: string | null, door: 'webhook' | 'system'): Actor {
  return {
    userId: `${provider}:${person === null || person === '' ? 'System' : person}`.slice(0, 320),
    door,
  };
}
