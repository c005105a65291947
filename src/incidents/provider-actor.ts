import type { Actor } from '../alerts/actions.ts';

/**
 * Who did something at the provider, for the audit log: `opsgenie:ada@example.com`.
 * The vendor's own rules have a name there, too (`opsgenie:System`); where nobody said
 * who it was the log says so.
 */
export function actorThere(provider: string, person: string | null, door: 'webhook' | 'system'): Actor {
  return {
    userId: `${provider}:${person === null || person === '' ? 'unknown' : person}`.slice(0, 320),
    door,
  };
}
