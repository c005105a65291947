import { sharedRead } from '../lib/shared-read.ts';
import { createClusterMetrics } from './cluster-metrics.ts';
import { createWatchMetrics } from './watch-metrics.ts';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60];

/** Several scrapers at once, or one in a hurry, cost the database no more than one. */
const scrapeFreshMs = 1_000;
/** Of a database that hangs: then what is counted goes out alone. */
const scrapeTimeoutMs = 2_000;

export type Metrics = ReturnType<typeof createMetrics>;

/** All metrics of the service in a registry of their own, so that two instances in one process do not mix. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  let collect: () => Promise<void> = () => Promise.resolve();
  return {
    /** What is read at each scrape instead of being counted as it happens. */
    onScrape(read: () => Promise<void>): void {
      collect = sharedRead(read, { freshMs: scrapeFreshMs, timeoutMs: scrapeTimeoutMs });
    },
    /** The exposition text. Counters are served also while what is read fails. */
    async text(): Promise<string> {
      await collect().catch(() => undefined);
      return registry.metrics();
    },
    contentType: registry.contentType,
    registry,
    ...createWatchMetrics(registers),
    ...createClusterMetrics(registers),
    alertsReceived: new Counter({
      name: 'gomon_alerts_received_total',
      help: 'Alerts in requests from sources, by what became of them.',
      labelNames: ['source', 'outcome'],
      registers,
    }),
    unknownSeverity: new Counter({
      name: 'gomon_alerts_unknown_severity_total',
      help: 'Alerts whose severity word is missing or not in the table.',
      labelNames: ['source'],
      registers,
    }),
    truncatedAlerts: new Counter({
      name: 'gomon_alerts_truncated_total',
      help: 'Alerts that senders left out of their requests for a limit of their own.',
      labelNames: ['source'],
      registers,
    }),
    alertProcessing: new Histogram({
      name: 'gomon_alert_processing_seconds',
      help: 'From a request received in full to its commit.',
      buckets: seconds,
      registers,
    }),
    intakeQueue: new Gauge({
      name: 'gomon_intake_queued_alerts',
      help: 'Alerts waiting for a commit.',
      registers,
    }),
    spooled: new Counter({
      name: 'gomon_spool_requests_total',
      help: 'Requests spooled while the database was away, and what became of them.',
      labelNames: ['outcome'],
      registers,
    }),
    spoolWaiting: new Gauge({
      name: 'gomon_spool_waiting_requests',
      help: 'Requests that lie in the spool.',
      registers,
    }),
    notificationLatency: new Histogram({
      name: 'gomon_notification_latency_seconds',
      help: 'From a request received in full to its first message accepted by Slack.',
      labelNames: ['severity'],
      buckets: seconds,
      registers,
    }),
    notifications: new Counter({
      name: 'gomon_notifications_total',
      help: 'Sends by channel and outcome.',
      labelNames: ['channel', 'outcome'],
      registers,
    }),
    notificationsPending: new Gauge({
      name: 'gomon_notifications_pending',
      help: 'Messages not in their wanted state yet.',
      registers,
    }),
    cardsWithoutLayout: new Counter({
      name: 'gomon_cards_without_layout_total',
      help: 'Cards whose layout the chat refused, and that were sent as text alone.',
      labelNames: ['code'],
      registers,
    }),
    channelsDead: new Gauge({
      name: 'gomon_channels_dead',
      help: 'Channels that cannot be posted to; their stand-ins take their messages.',
      registers,
    }),
    incidentSync: new Counter({
      name: 'gomon_incident_sync_total',
      help: 'Commands to the incident provider by outcome.',
      labelNames: ['provider', 'outcome'],
      registers,
    }),
    jobsPending: new Gauge({
      name: 'gomon_jobs_pending',
      help: 'Jobs that wait or run.',
      labelNames: ['task'],
      registers,
    }),
    jobsOldest: new Gauge({
      name: 'gomon_jobs_oldest_seconds',
      help: 'Age of the oldest job that could run.',
      labelNames: ['task'],
      registers,
    }),
    jobFailures: new Counter({
      name: 'gomon_job_failures_total',
      help: 'Failed runs of jobs; final ones are not tried again.',
      labelNames: ['task', 'final'],
      registers,
    }),
    httpRequestDuration: new Histogram({
      name: 'gomon_http_request_duration_seconds',
      help: 'Requests answered, by route.',
      labelNames: ['method', 'route', 'status'],
      buckets: seconds,
      registers,
    }),
    dbPool: new Gauge({
      name: 'gomon_db_pool_connections',
      help: 'Connections of the pool by state.',
      labelNames: ['state'],
      registers,
    }),
    circuitOpen: new Gauge({
      name: 'gomon_circuit_open',
      help: '1 while calls to the target are held back.',
      labelNames: ['target'],
      registers,
    }),
    healthCheckUp: new Gauge({
      name: 'gomon_health_check_up',
      help: '1 while the last look at the health check found it well.',
      labelNames: ['check'],
      registers,
    }),
    healthCheckDuration: new Histogram({
      name: 'gomon_health_check_duration_seconds',
      help: 'Looks of health checks by this process.',
      labelNames: ['check'],
      buckets: seconds,
      registers,
    }),
    actions: new Counter({
      name: 'gomon_actions_total',
      help: 'What people did, by action and door.',
      labelNames: ['action', 'door'],
      registers,
    }),
  };
}
