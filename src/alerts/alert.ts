/**
 * What an alert is. The vocabulary of the whole service: every room speaks of
 * these types, none of them knows a vendor or the database.
 */

/** P0 is the gravest. P0 and P1 open an incident by themselves (by default). */
export const severities = ['P0', 'P1', 'P2', 'P3', 'P4'] as const;
export type Severity = (typeof severities)[number];

/** See `lifecycle.ts` for what leads from one to the next. */
export const statuses = ['firing', 'acknowledged', 'escalated', 'resolved', 'archived'] as const;
export type Status = (typeof statuses)[number];

/** Statuses in which somebody may still have to do something. */
export const openStatuses = ['firing', 'acknowledged', 'escalated'] as const satisfies readonly Status[];

export const sourceNames = ['grafana', 'alertmanager', 'kubernetes', 'health-check', 'api'] as const;
export type SourceName = (typeof sourceNames)[number];

/** Label and annotation maps: string to string, any UTF-8, order without meaning. */
export type Labels = Record<string, string>;

/** A place to go from the alert. `rel` is what it leads to; only http(s) URLs get this far. */
export type Link = {
  rel: 'source' | 'silence' | 'dashboard' | 'panel' | 'runbook' | 'image';
  url: string;
};

/**
 * Why an alert is stored but not told to anybody (no message, no incident):
 * `severity-none` — its severity word is "none"; `heartbeat` — a Watchdog-like
 * alert that fires as long as its sender is alive; `inhibitor` — InfoInhibitor,
 * which exists only to mute others.
 */
export type Mute = 'severity-none' | 'heartbeat' | 'inhibitor';

/** One answer to "why?", kept with the audit row of the change it explains. */
export type Decision = {
  /** Which step of the pipeline decided. */
  stage:
    | 'parse'
    | 'dedup'
    | 'severity'
    | 'namespace'
    | 'title'
    | 'trace'
    | 'grouping'
    | 'routing'
    | 'suppression'
    | 'incident'
    | 'delivery';
  /** What was decided, in a word or a value: `created`, `P1`, `#alert-critical`. */
  outcome: string;
  /** The rule and the input that led to it, in a sentence for people. */
  reason: string;
};

export type Alert = {
  id: string;
  source: SourceName;
  /** Separates equal fingerprints of different senders (Grafana organisation, token's tenant); '' when there is one. */
  tenant: string;
  /** Opaque text of the sender, or computed (`fingerprint.ts`); unique with source and tenant. */
  fingerprint: string;
  /** Alerts that belong together share it; its own id while it stands alone. */
  correlationId: string;
  severity: Severity;
  /** True once a person chose the severity: reports no longer lower or raise it. */
  severityPinned: boolean;
  status: Status;
  title: string;
  description: string;
  namespace: string | null;
  labels: Labels;
  annotations: Labels;
  links: Link[];
  /** Measured values by query name, as Grafana sends them; null when none. */
  values: Record<string, number> | null;
  /** Why the source changed the state without the condition changing (Grafana: `grafana_state_reason`). */
  stateReason: string | null;
  mute: Mute | null;
  /** Alerts of one broken data source share this key, and one message (see `classify.ts`). */
  foldKey: string | null;
  incidentId: string | null;
  /** 1–32 lower-case hex digits as received; the first of `traceIds`. */
  traceId: string | null;
  traceIds: string[];
  /** How often it was reported firing, over all episodes. */
  occurrences: number;
  /** 1 for the first firing, one more for each refire after a resolve. */
  episode: number;
  role: 'primary' | 'secondary' | 'standalone';
  primaryId: string | null;
  assignedTo: string | null;
  startsAt: Date;
  /** When the source's word runs out: resolved by us if nothing is heard until then; null = never. */
  expiresAt: Date | null;
  lastSeenAt: Date;
  /** Since when it is open without a word from its source for so long that its end may have been missed; null: it is not. */
  staleAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  resolvedAt: Date | null;
  resolvedBy: string | null;
};
