import type { Labels, Severity } from '../alerts/alert.ts';

/**
 * What a health check is: something outside (or the service's own database and
 * vendors) that is looked at on a schedule, and what is to be made of the answer.
 */
export const checkTypes = ['http', 'tcp', 'dns', 'database', 'dependency'] as const;
export type CheckType = (typeof checkTypes)[number];

/** What an alert and the API say of a check: nothing secret in it. */
export type CheckDefinition = {
  name: string;
  type: CheckType;
  /** For people: an address without query and credentials, or a name. */
  target: string;
  severity: Severity;
  namespace: string | null;
  labels: Labels;
  /** Opens no incident: one of the service's own dependencies. */
  own: boolean;
};

export type HealthCheck = CheckDefinition & {
  intervalMs: number;
  timeoutMs: number;
  /** How long it has to fail before anybody is told. */
  forMs: number;
  /** How long it has to be well again before the alert ends. */
  holdDownMs: number;
  /** Slower than this, for `forMs`, is an alert of its own. */
  latency: { thresholdMs: number; severity: Severity } | null;
  certificate: CertificateLimits | null;
  probe: Probe;
};

/** Days left below which an expiring certificate has the severity; see `certificateSeverity`. */
export type CertificateLimits = { P1: number; P2: number; P3: number };

export type Probe =
  | {
      type: 'http';
      url: string;
      method: 'GET' | 'HEAD' | 'POST' | 'OPTIONS';
      /** With their secrets: never logged, stored or shown. */
      headers: Record<string, string>;
      /** Inclusive ranges of answers that count as well. */
      expectStatus: { from: number; to: number }[];
      bodyContains: string | null;
      /** How many redirects are followed. */
      redirects: number;
      verifyCertificate: boolean;
      allowLinkLocal: boolean;
    }
  | {
      type: 'tcp';
      host: string;
      port: number;
      tls: boolean;
      verifyCertificate: boolean;
      allowLinkLocal: boolean;
    }
  | {
      type: 'dns';
      host: string;
      recordType: DnsRecordType;
      /** Empty: the resolvers of the system. */
      servers: string[];
      /** Each has to be among the answers. */
      expectAnswer: string[];
      allowLinkLocal: boolean;
    }
  | { type: 'database' }
  | { type: 'dependency'; dependency: DependencyName };

export const dnsRecordTypes = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT'] as const;
export type DnsRecordType = (typeof dnsRecordTypes)[number];

export const dependencyNames = ['slack', 'opsgenie', 'jaeger'] as const;
export type DependencyName = (typeof dependencyNames)[number];

/** What one look found. `detail` is for people and repeats no header, query or body. */
export type ProbeOutcome = { ok: boolean; detail: string; certificate: CertificateFacts | null };

/** The certificate of a chain that ends first. */
export type CertificateFacts = { subject: string; issuer: string; validFrom: Date; validTo: Date };

/** The port to whoever really looks. Answers whatever happens outside; rejects only when the signal ends it. */
export interface Prober {
  probe(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome>;
}

export type CheckResult = ProbeOutcome & {
  /** When the look ended. */
  at: Date;
  durationMs: number;
};
