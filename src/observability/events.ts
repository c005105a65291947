import type { Severity } from '../alerts/alert.ts';
import type { IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What became of one message; see `notify/deliver.ts`. */
export type DispatchEvent =
  | { kind: 'posted'; channel: string; severity: Severity; latencyMs: number }
  | { kind: 'edited'; channel: string }
  | { kind: 'skipped'; channel: string }
  | { kind: 'adopted'; channel: string }
  | { kind: 'failed'; channel: string; reason: string; code: string; detail: string }
  /** A line in a thread, and a notice about ourselves. */
  | { kind: 'line'; channel: string }
  | { kind: 'notice'; channel: string }
  /** Not sent, because something else says it. */
  | { kind: 'superseded'; channel: string }
  /** A channel cannot be posted to any more, or is used again. */
  | { kind: 'channel'; channel: string; state: 'dead' | 'usable'; code: string; detail: string }
  | { kind: 'trouble'; error: unknown };

/** One helper per business event: counter (few labels) and log line (all detail) together, so that they cannot drift. */
export type Events = ReturnType<typeof createEvents>;

export function createEvents(log: Log, metrics: Metrics) {
  return {
    deliveryCommitted({ request, result }: { request: IntakeRequest; result: IntakeResult }): void {
      const counts: Record<string, number> = {};
      for (const entry of result.results) counts[entry.outcome] = (counts[entry.outcome] ?? 0) + 1;
      for (const [outcome, count] of Object.entries(counts)) {
        metrics.alertsReceived.inc({ source: request.source, outcome }, count);
      }
      metrics.alertProcessing.observe(Math.max(0, (Date.now() - request.receivedAt.getTime()) / 1_000));
      log.debug(
        { source: request.source, sender: request.sender, deliveryId: result.deliveryId, ...counts },
        'delivery stored',
      );
    },

    dispatch(event: DispatchEvent): void {
      switch (event.kind) {
        case 'posted':
          metrics.notifications.inc({ channel: event.channel, outcome: 'posted' });
          metrics.notificationLatency.observe({ severity: event.severity }, event.latencyMs / 1_000);
          log.info(
            { channel: event.channel, severity: event.severity, latencyMs: event.latencyMs },
            'message posted',
          );
          return;
        case 'edited':
        case 'skipped':
        case 'adopted':
        case 'line':
        case 'notice':
        case 'superseded':
          metrics.notifications.inc({ channel: event.channel, outcome: event.kind });
          return;
        case 'failed':
          metrics.notifications.inc({ channel: event.channel, outcome: event.reason });
          log.warn(
            { channel: event.channel, reason: event.reason, code: event.code, detail: event.detail },
            'message not accepted',
          );
          return;
        case 'channel': {
          const { channel, state, code, detail } = event;
          if (state === 'dead') log.error({ channel, code, detail }, 'a channel cannot be posted to');
          else log.info({ channel, code }, 'a channel is used again');
          return;
        }
        case 'trouble':
          log.warn({ err: event.error }, 'dispatching stumbled');
          return;
        default:
          event satisfies never;
      }
    },

    incidentCommand(
      provider: string,
      outcome: 'confirmed' | 'failed' | 'retried',
      command: string,
      detail: string,
    ): void {
      metrics.incidentSync.inc({ provider, outcome });
      if (outcome === 'failed')
        log.error({ provider, command, detail }, 'the incident provider refuses a command');
      else if (outcome === 'retried')
        log.warn({ provider, command, detail }, 'the incident provider is asked again');
      else log.info({ provider, command }, 'the incident provider confirmed a command');
    },

    /** What came of something the incident provider told. */
    providerEvents(provider: string, outcome: string, detail: string): void {
      metrics.incidentSync.inc({ provider, outcome });
      if (outcome === 'given-up')
        log.warn({ provider, detail }, 'what the incident provider told is given up');
      else log.info({ provider, outcome, detail }, 'the incident provider told of a change');
    },

    incidentCompared(provider: string, outcome: 'repaired' | 'gone' | 'failed', detail: string): void {
      metrics.incidentSync.inc({ provider, outcome: outcome === 'failed' ? 'compare-failed' : outcome });
      log.warn({ provider, outcome, detail }, 'an incident was compared with the provider');
    },

    acted(action: string, door: string, userId: string, alertId: string): void {
      metrics.actions.inc({ action, door });
      log.info({ action, door, userId, alertId }, 'action taken');
    },

    circuitChanged(target: string, open: boolean, detail: string): void {
      if (open) log.error({ target, detail }, 'calls to a target are held back: it failed too often');
      else log.info({ target }, 'calls to a target go through again');
    },

    jobFailed(failure: { task: string; attempts: number; final: boolean; error: unknown }): void {
      metrics.jobFailures.inc({ task: failure.task, final: String(failure.final) });
      const line = { task: failure.task, attempts: failure.attempts, err: failure.error };
      if (failure.final) log.error(line, 'a job failed for the last time');
      else log.warn(line, 'a job failed and is tried again');
    },
  };
}
