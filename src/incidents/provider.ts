import type { Severity } from '../alerts/alert.ts';

/**
 * The port for systems that page people (Opsgenie today). Calls answer what
 * became of them and never retry: the sync job does, from the command's row.
 */
export interface IncidentProvider {
  readonly name: string;
  /** Tells this account and region from another of the same vendor; external ids are unique within it. */
  readonly connectionId: string;
  /** What the vendor calls the thing we open: 'alert' or 'incident'. */
  readonly externalKind: string;
  /** Hands one command over. Opening twice with the same incident id opens one thing. */
  submit(command: ProviderCommand, signal: AbortSignal): Promise<SubmitResult>;
  /** Asks what became of an accepted command. */
  requestStatus(
    request: { requestId: string; command: ProviderCommand },
    signal: AbortSignal,
  ): Promise<RequestStatus | ProviderFailure>;
  /** Reads the present state. `externalId` null: look it up by our incident id. `found: false` when there is none. */
  read(ref: IncidentRef, signal: AbortSignal): Promise<ProviderState | ProviderFailure>;
  /**
   * How long what was just opened may be missing when `read` looks for it by our
   * incident id. Absent: opening twice opens one thing, and nothing has to be waited for.
   */
  readonly searchLagMs?: number;
  /** Finds out whose a thing is that the vendor told of by its own id only. */
  identify?(externalId: string, signal: AbortSignal): Promise<Identified | ProviderFailure>;
  /** Whether it carries this note of ours: a note whose outcome is unknown is looked for before it is said again. */
  hasNote?(
    ref: IncidentRef,
    note: { text: string; by: string },
    signal: AbortSignal,
  ): Promise<{ ok: true; found: boolean } | ProviderFailure>;
  /** The newest notes it carries, ours among them: those that no event told of. */
  listNotes?(
    ref: IncidentRef,
    signal: AbortSignal,
  ): Promise<{ ok: true; items: NoteThere[] } | ProviderFailure>;
  /** What is open there and carries our mark, oldest first: where opening has no key, two may carry the same. */
  listOpen?(signal: AbortSignal): Promise<{ ok: true; items: OpenThere[] } | ProviderFailure>;
}

/** `incidentId` is ours, from the mark we left; null: it carries none. `externalId` is what we know it by. */
export type Identified = {
  ok: true;
  found: boolean;
  incidentId: string | null;
  externalId: string | null;
};

export type OpenThere = { incidentId: string; externalId: string; externalUrl: string | null };

/** `subject`: the vendor's id of the thing it was written on, as its events name it. `at` by the vendor's clock. */
export type NoteThere = { subject: string; text: string; author: string | null; at: Date | null };

export type IncidentRef = { incidentId: string; externalId: string | null };

export type ProviderCommand = { ref: IncidentRef; by: string } & (
  | { kind: 'open'; incident: OpenIncident }
  | { kind: 'acknowledge'; note?: string }
  | { kind: 'assign'; assignee: string }
  | { kind: 'set-severity'; severity: Severity }
  | { kind: 'add-note'; text: string }
  | { kind: 'close'; note?: string }
);

export type OpenIncident = {
  title: string;
  description: string;
  severity: Severity;
  /** The alert's labels and our links, as the vendor's key-value details. */
  details: Record<string, string>;
  tags: string[];
  source: string;
  responders: Responder[];
};

/** Who is told. By name or by id of the vendor; `escalation` names an escalation policy. */
export type Responder = { type: 'team' | 'user' | 'escalation' | 'schedule'; id?: string; name?: string };

export type SubmitResult =
  /** Queued at the vendor: ask `requestStatus` with this id. */
  | { ok: true; state: 'accepted'; requestId: string }
  /** Done at once. */
  | { ok: true; state: 'done'; externalId: string; externalUrl: string | null }
  | ProviderFailure;

export type RequestStatus =
  | { ok: true; state: 'pending' }
  /** `processedAt` by the vendor's clock. */
  | {
      ok: true;
      state: 'done';
      externalId: string;
      externalUrl: string | null;
      processedAt?: Date | null;
    }
  /** The vendor worked on it and it failed; asking again changes nothing. */
  | { ok: true; state: 'failed'; detail: string };

export type ProviderState = {
  ok: true;
  found: boolean;
  externalId: string | null;
  externalUrl: string | null;
  status: 'open' | 'acknowledged' | 'closed' | null;
  /** Of a closed one: over for now, or closed for good. */
  ended?: 'resolved' | 'closed';
  /** Acknowledgement and assignee could not be read: they are not known to be none. */
  partial?: true;
  severity: Severity | null;
  /** The vendor's name of the person in charge; null when nobody is. */
  assignee: string | null;
  updatedAt: Date | null;
};

export type ProviderFailure = {
  ok: false;
  /**
   * - `rate-limited`: refused for now, not applied.
   * - `unavailable`: surely not applied (connection refused, 503 before work).
   * - `unknown`: may have been applied (timeout, reset, 5xx).
   * - `auth`: key, plan or permission; nothing works until somebody mends it.
   * - `rejected`: this command is not accepted and never will be.
   * - `held`: not tried, because the vendor failed too often just now: no attempt.
   */
  reason: 'rate-limited' | 'unavailable' | 'unknown' | 'auth' | 'rejected' | 'held';
  retryAfterMs?: number;
  /** HTTP status or network code. */
  code: string;
  detail: string;
};
