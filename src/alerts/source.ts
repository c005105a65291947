import type { Labels, Link, SourceName } from './alert.ts';

/**
 * The port for everything that reports alerts over HTTP. An adapter translates
 * and verifies, it decides nothing: identity, severity, title and so on are
 * rules of this room (`describe.ts`).
 */
export interface AlertSource {
  readonly name: SourceName;
  /**
   * Checks a signature of the sender over the exact bytes. `undefined` when the
   * source has no credentials of its own configured: the caller then asks for an
   * API token instead.
   */
  verify?(request: SourceRequest): Verification | undefined;
  /** Translates a body. One bad alert does not lose the others: it comes back as a rejection in its place. */
  parse(request: SourceRequest): ParsedDelivery | Refusal;
}

export type SourceRequest = {
  /** Lower-case names, as Node delivers them. */
  headers: Record<string, string | string[] | undefined>;
  rawBody: Buffer;
  /** When the request had been received in full. */
  receivedAt: Date;
};

/** `reason` is safe to show to the sender: it never repeats a secret or the expected signature. */
export type Verification = { ok: true } | { ok: false; reason: string };

/** The whole body is not something this source sends: answered 4xx with this text, which says what was seen and what is expected. */
export type Refusal = { ok: false; reason: string };

export type ParsedDelivery = {
  ok: true;
  /** In the order of the payload. */
  entries: ParsedEntry[];
  /** What kind of payload it was, for the decision trail: "Grafana unified alerting, version 1". */
  format: string;
  /** How many more alerts the sender left out, and takes for told: they never come. */
  truncatedAlerts?: number;
};

export type ParsedEntry = { ok: true; signal: AlertSignal } | { ok: false; reason: string };

/** What a source says of one alert, in our terms but before our rules. */
export type AlertSignal = {
  status: 'firing' | 'resolved';
  /** The sender's organisation or the like; '' when it has none. */
  tenant: string;
  /** As sent, opaque; null when the sender gave none: then computed from the labels. */
  fingerprint: string | null;
  labels: Labels;
  annotations: Labels;
  links: Link[];
  values: Record<string, number> | null;
  /** Null when not sent or unusable (year 1, 1970, empty). */
  startsAt: Date | null;
  /** The end, for a resolve; null when not sent or one of the "not ended" forms. */
  endsAt: Date | null;
  /** When the sender's word runs out (a future `endsAt`, `resolve_timeout`); null = never. */
  expiresAt: Date | null;
  /** The sender said nothing of that end: it is our guess, which shortens no end that was said. */
  expiryGuessed?: boolean | undefined;
  stateReason: string | null;
  /** Said outright by the sender, not found by our rules (REST API, adapters with a severity scale of their own). */
  explicit: {
    title?: string;
    description?: string;
    namespace?: string;
    /** A severity word or P0–P4, read by the source's severity table. */
    severity?: string;
    traceId?: string;
  };
};
