import { createHash, randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';

export type SandboxPriority = 'P1' | 'P2' | 'P3' | 'P4' | 'P5';
export type SandboxNote = { note: string; owner: string; createdAt: string };
export type SandboxLogLine = { log: string; owner: string; createdAt: string };
export type SandboxResponder = { type: string; id: string; name: string };

/** `id` and name of the two kinds are what the vendor's UI and API show; the rest is state. */
type Common = {
  id: string;
  tinyId: string;
  message: string;
  description: string;
  priority: SandboxPriority;
  tags: string[];
  details: Record<string, string>;
  responders: SandboxResponder[];
  notes: SandboxNote[];
  log: SandboxLogLine[];
  createdAtMs: number;
  updatedAtMs: number;
  /** Searches that still do not see it: the index lags behind the API. */
  unseenSearches: number;
};

export type SandboxAlert = Common & {
  alias: string;
  status: 'open' | 'closed';
  acknowledged: boolean;
  snoozedUntil: string | null;
  owner: string;
  source: string;
  entity: string;
  count: number;
  lastOccurredAtMs: number;
  actions: string[];
};

export type SandboxIncident = Common & {
  status: 'open' | 'resolved' | 'closed';
  impactedServices: string[];
  responderAlertIds: string[];
};

export type SandboxHeartbeat = {
  name: string;
  description: string;
  interval: number;
  intervalUnit: 'minutes' | 'hours' | 'days';
  enabled: boolean;
  lastPingAtMs: number | null;
};

/** Everything the fake account holds; `change` is emitted after each change. */
export class OpsgenieState {
  readonly alerts = new Map<string, SandboxAlert>();
  readonly incidents = new Map<string, SandboxIncident>();
  readonly heartbeats = new Map<string, SandboxHeartbeat>();
  readonly events = new EventEmitter<{ change: [] }>();
  readonly now: () => number;
  readonly searchLag: number;
  #tiny = 0;

  constructor(now: () => number, searchLag: number) {
    this.now = now;
    this.searchLag = searchLag;
    this.events.setMaxListeners(0);
  }

  nextTinyId(): string {
    this.#tiny += 1;
    return String(this.#tiny);
  }

  /** Modern ids carry the time of creation. */
  newId(): string {
    return `${randomUUID()}-${this.now()}`;
  }

  changed(): void {
    this.events.emit('change');
  }

  /** The index catches up at once. */
  indexNow(): void {
    for (const item of [...this.alerts.values(), ...this.incidents.values()]) item.unseenSearches = 0;
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The same name is the same team, user or schedule every time. */
export function idOfName(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
