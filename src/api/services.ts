import type { AlertSource } from '../alerts/source.ts';
import type { Intake } from '../alerts/intake.ts';
import type { SourceRules } from '../alerts/source-rules.ts';
import type { SourceName } from '../alerts/alert.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { ChatDoor } from '../chat/chat-door.ts';
import type { Db } from '../db/pool.ts';
import type { IncidentPolicy } from '../incidents/open.ts';
import type { ProviderDoor } from '../incidents/provider-door.ts';
import type { Clock } from '../lib/clock.ts';
import type { Routing } from '../notify/route.ts';
import type { Events } from '../observability/events.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Authenticator } from './auth.ts';
import type { Addresses } from './present.ts';
import type { SpoolDoor } from './store-or-spool.ts';

/** What the doors need of the rest of the house; `app.ts` fills it. */
export type ApiServices = {
  db: Db;
  intake: Intake;
  /** Null: off, and a database that is away means 503 for everybody. */
  spool: SpoolDoor | null;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  events: Events;
  authenticate: Authenticator;
  addresses: Addresses;
  rulesOf: (source: SourceName) => SourceRules;
  /** How long an alert without an end is believed when nothing more is heard of it; null: until it is resolved. */
  believedSecondsOf: (source: SourceName) => number | null;
  sources: { grafana: AlertSource; alertmanager: AlertSource; alertmanagerApi: AlertSource };
  incidentPolicy: IncidentPolicy;
  routing: Routing;
  chatDoor: ChatDoor;
  providerDoor: ProviderDoor;
  /** The cluster that this process watches; null: none. */
  cluster: ClusterReader | null;
  /** Each dependency's state for people; `database` decides readiness. */
  readiness: () => Promise<Readiness>;
  /** From the first moment of a stop: nothing more is taken in. */
  isStopping: () => boolean;
  limits: { maxBodyBytes: number };
  /** How long requests of sources are kept. */
  deliveriesKeptDays: number;
};

/** The view answers from memory. */
export type ClusterReader = { name: string; view: ClusterView };

export type Readiness = {
  ready: boolean;
  state: 'starting' | 'ready' | 'stopping' | 'database-away';
  dependencies: Record<string, { state: 'ok' | 'off' | 'failing'; detail?: string }>;
};
