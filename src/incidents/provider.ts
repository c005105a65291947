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
}

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
  | { ok: true; state: 'done'; externalId: string; externalUrl: string | null }
  /** The vendor worked on it and it failed; asking again changes nothing. */
  | { ok: true; state: 'failed'; detail: string };

export type ProviderState = {
  ok: true;
  found: boolean;
  externalId: string | null;
  externalUrl: string | null;
  status: 'open' | 'acknowledged' | 'closed' | null;
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
