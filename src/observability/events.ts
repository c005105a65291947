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
          metrics.notifications.inc({ channel: event.channel, outcome: event.kind });
          return;
        case 'failed':
          metrics.notifications.inc({ channel: event.channel, outcome: event.reason });
          log.warn(
            { channel: event.channel, reason: event.reason, code: event.code, detail: event.detail },
            'message not accepted',
          );
          return;
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

    acted(action: string, door: string, userId: string, alertId: string): void {
      metrics.actions.inc({ action, door });
      log.info({ action, door, userId, alertId }, 'action taken');
    },

    healthChecked(look: {
      check: { name: string };
      result: { ok: boolean; detail: string; durationMs: number };
      status: string;
      changed: boolean;
    }): void {
      const { check, result, status, changed } = look;
      metrics.healthCheckDuration.observe({ check: check.name }, result.durationMs / 1_000);
      if (!changed) return;
      const line = { check: check.name, status, detail: result.detail };
      if (status === 'down') log.warn(line, 'a health check changed its status');
      else log.info(line, 'a health check changed its status');
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
