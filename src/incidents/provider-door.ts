import type { Verification } from '../alerts/source.ts';

/** The port to what an incident provider tells us: checked and read; a hint to look, never the truth. */
export interface ProviderDoor {
  readonly name: string;
  /** `undefined` when no secret is configured: the caller then asks for an API token instead. */
  verify(headers: Record<string, string | string[] | undefined>): Verification | undefined;
  read(rawBody: Buffer): { ok: true; dedupKey: string; event: ProviderEvent } | { ok: false; reason: string };
}

/** What somebody did there, as far as the provider's message says. It is stored as JSON. */
export type ProviderEvent = {
  /** The vendor's id of the thing. Events with one subject are worked off together. */
  subject: string;
  /** In the vendor's words, for the record. */
  action: string;
  kind:
    | 'create'
    | 'acknowledge'
    | 'unacknowledge'
    | 'assign'
    | 'severity'
    | 'close'
    | 'escalate'
    | 'note'
    | 'delete'
    | 'other';
  /** Our incident, where the message carries our mark. */
  incidentId: string | null;
  /** The vendor's incident that the thing belongs to, where incidents page by alerts. */
  externalIncidentId: string | null;
  /** The message says enough to know that the thing carries no mark of ours. */
  foreign: boolean;
  /** Who did it; null when not said. */
  actor: string | null;
  /** A rule of the vendor did it, not a person. */
  automatic: boolean;
  /** It came in by the vendor's API, as our own calls do. */
  byApi: boolean;
  note: string | null;
  /** The new person in charge, where the message says so. */
  owner: string | null;
  /** ISO 8601, by the vendor's clock. */
  occurredAt: string | null;
};
