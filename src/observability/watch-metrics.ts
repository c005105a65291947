import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';

/** From the moments an alert takes to be acknowledged to the weeks some take to be mended. */
const longSeconds = [
  5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 259_200, 604_800,
];
const canarySeconds = [0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30];

/** What the business asks for, and what the service tells of itself. */
export function createWatchMetrics(registers: Registry[]) {
  return {
    timeToAcknowledge: new Histogram({
      name: 'gomon_time_to_acknowledge_seconds',
      help: 'From the start of an alert to its acknowledgement.',
      labelNames: ['severity'],
      buckets: longSeconds,
      registers,
    }),
    timeToResolve: new Histogram({
      name: 'gomon_time_to_resolve_seconds',
      help: 'From the start of an alert to its end.',
      labelNames: ['severity'],
      buckets: longSeconds,
      registers,
    }),
    incidentsOpened: new Counter({
      name: 'gomon_incidents_opened_total',
      help: 'Incidents by what opened them: auto, or the door a person used.',
      labelNames: ['cause'],
      registers,
    }),
    notificationsOldest: new Gauge({
      name: 'gomon_notifications_oldest_seconds',
      help: 'Age of the oldest card not in its wanted state; 0 when there is none.',
      registers,
    }),
    incidentCommandsPending: new Gauge({
      name: 'gomon_incident_commands_pending',
      help: 'What is still to be said to the incident provider, or not confirmed by it.',
      registers,
    }),
    incidentCommandsOldest: new Gauge({
      name: 'gomon_incident_commands_oldest_seconds',
      help: 'Age of the oldest of them; 0 when there is none.',
      registers,
    }),
    databaseUp: new Gauge({
      name: 'gomon_database_up',
      help: '1 while the database answers and takes writes.',
      registers,
    }),
    buildInfo: new Gauge({
      name: 'gomon_build_info',
      help: 'Always 1; the version of the service and of Node.',
      labelNames: ['version', 'node'],
      registers,
    }),
    canaryRuns: new Counter({
      name: 'gomon_canary_total',
      help: 'Our own test alerts by how they ended.',
      labelNames: ['outcome'],
      registers,
    }),
    canarySeconds: new Histogram({
      name: 'gomon_canary_seconds',
      help: 'From sending a test alert to our door to its message accepted by Slack.',
      buckets: canarySeconds,
      registers,
    }),
    canaryInTime: new Gauge({
      name: 'gomon_canary_notified_in_time_ratio',
      help: 'Share of the test alerts notified within 2 s; absent while there are none.',
      labelNames: ['window'],
      registers,
    }),
    heartbeatPings: new Counter({
      name: 'gomon_heartbeat_pings_total',
      help: 'Pings of the outgoing heartbeat; withheld: not sent because something is wrong here.',
      labelNames: ['target', 'outcome'],
      registers,
    }),
  };
}
