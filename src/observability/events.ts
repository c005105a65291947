import { canarySender } from '../alerts/canary-alert.ts';
import type { Severity } from '../alerts/alert.ts';
import type { IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What is measured when it happens; see `history/measure.ts`. */
export type Moment =
  | { kind: 'acknowledge' | 'resolve'; severity: Severity; seconds: number }
  | { kind: 'incident'; cause: 'auto' | 'slack' | 'api' | 'console' | 'webhook' }
  /** What somebody did at the incident provider. */
  | { kind: 'action'; action: string; door: 'webhook' };

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

export function createEvents(
  log: Log,
  metrics: Metrics,
  /** Our own test alerts are no business: their channel is not counted. */
  options: { canaryChannel: string | null } = { canaryChannel: null },
) {
  return {
    deliveryCommitted({ request, result }: { request: IntakeRequest; result: IntakeResult }): void {
      if (request.sender === canarySender) return;
      const counts: Record<string, number> = {};
      for (const entry of result.results) counts[entry.outcome] = (counts[entry.outcome] ?? 0) + 1;
      for (const [outcome, count] of Object.entries(counts)) {
        metrics.alertsReceived.inc({ source: request.source, outcome }, count);
      }
      if (request.truncatedAlerts !== undefined) {
        metrics.truncatedAlerts.inc({ source: request.source }, request.truncatedAlerts);
        log.warn(
          {
            event: 'delivery.truncated',
            source: request.source,
            sender: request.sender,
            deliveryId: result.deliveryId,
            truncatedAlerts: request.truncatedAlerts,
          },
          'a source left out alerts: they never come',
        );
      }
      metrics.alertProcessing.observe(Math.max(0, (Date.now() - request.receivedAt.getTime()) / 1_000));
      log.debug(
        {
          event: 'delivery.stored',
          source: request.source,
          sender: request.sender,
          deliveryId: result.deliveryId,
          ...counts,
        },
        'delivery stored',
      );
    },

    dispatch(event: DispatchEvent): void {
      const isCanary = event.kind !== 'trouble' && event.channel === options.canaryChannel;
      if (isCanary && event.kind !== 'failed' && event.kind !== 'channel') return;
      switch (event.kind) {
        case 'posted':
          metrics.notifications.inc({ channel: event.channel, outcome: 'posted' });
          metrics.notificationLatency.observe({ severity: event.severity }, event.latencyMs / 1_000);
          log.info(
            {
              event: 'message.posted',
              channel: event.channel,
              severity: event.severity,
              latencyMs: event.latencyMs,
            },
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
          if (!isCanary) metrics.notifications.inc({ channel: event.channel, outcome: event.reason });
          log.warn(
            {
              event: 'message.refused',
              channel: event.channel,
              reason: event.reason,
              code: event.code,
              detail: event.detail,
            },
            'message not accepted',
          );
          return;
        case 'channel': {
          const { channel, state, code, detail } = event;
          if (state === 'dead')
            log.error({ event: 'channel.died', channel, code, detail }, 'a channel cannot be posted to');
          else log.info({ event: 'channel.usable', channel, code }, 'a channel is used again');
          return;
        }
        case 'trouble':
          log.warn({ event: 'dispatch.stumbled', err: event.error }, 'dispatching stumbled');
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
        log.error(
          { event: 'provider.refused', provider, command, detail },
          'the incident provider refuses a command',
        );
      else if (outcome === 'retried')
        log.warn(
          { event: 'provider.retried', provider, command, detail },
          'the incident provider is asked again',
        );
      else
        log.info(
          { event: 'provider.confirmed', provider, command },
          'the incident provider confirmed a command',
        );
    },

    /** What came of something the incident provider told. */
    providerEvents(provider: string, outcome: string, detail: string): void {
      metrics.incidentSync.inc({ provider, outcome });
      if (outcome === 'given-up')
        log.warn({ event: 'provider.lost', provider, detail }, 'what the incident provider told is given up');
      else
        log.info(
          { event: 'provider.told', provider, outcome, detail },
          'the incident provider told of a change',
        );
    },

    incidentCompared(provider: string, outcome: 'repaired' | 'gone' | 'failed', detail: string): void {
      metrics.incidentSync.inc({ provider, outcome: outcome === 'failed' ? 'compare-failed' : outcome });
      log.warn(
        { event: 'provider.compared', provider, outcome, detail },
        'an incident was compared with the provider',
      );
    },

    acted(action: string, door: string, userId: string, alertId: string): void {
      metrics.actions.inc({ action, door });
      log.info({ event: 'alert.acted', action, door, userId, alertId }, 'action taken');
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
      const line = { event: 'health-check.changed', check: check.name, status, detail: result.detail };
      if (status === 'down') log.warn(line, 'a health check changed its status');
      else log.info(line, 'a health check changed its status');
    },

    circuitChanged(target: string, open: boolean, detail: string): void {
      if (open)
        log.error(
          { event: 'circuit.opened', target, detail },
          'calls to a target are held back: it failed too often',
        );
      else log.info({ event: 'circuit.closed', target }, 'calls to a target go through again');
    },

    /** The second path took a message that Slack had left waiting. */
    carried(channel: string, severity: Severity): void {
      metrics.notifications.inc({ channel, outcome: 'posted' });
      log.warn({ event: 'message.carried', channel, severity }, 'the second path carried a message');
    },

    /** What somebody did to an incident itself. */
    actedOnIncident(action: string, door: string, userId: string, incidentId: string): void {
      metrics.actions.inc({ action, door });
      log.info({ event: 'incident.acted', action, door, userId, incidentId }, 'action taken on an incident');
    },

    measured(moments: Moment[]): void {
      for (const moment of moments) {
        if (moment.kind === 'action') metrics.actions.inc({ action: moment.action, door: moment.door });
        else if (moment.kind === 'incident') metrics.incidentsOpened.inc({ cause: moment.cause });
        else if (moment.kind === 'acknowledge')
          metrics.timeToAcknowledge.observe({ severity: moment.severity }, moment.seconds);
        else metrics.timeToResolve.observe({ severity: moment.severity }, moment.seconds);
      }
    },

    canary(run: { outcome: string; seconds: number | null; detail: string | null }): void {
      metrics.canaryRuns.inc({ outcome: run.outcome });
      if (run.seconds !== null) metrics.canarySeconds.observe(run.seconds);
      const line = { event: 'canary.ended', outcome: run.outcome, seconds: run.seconds, detail: run.detail };
      if (run.outcome === 'ok') log.debug(line, 'the canary came through');
      else log.warn(line, 'the canary did not come through as it should');
    },

    heartbeat(ping: {
      target: string;
      outcome: 'sent' | 'failed' | 'withheld';
      detail: string | null;
    }): void {
      metrics.heartbeatPings.inc({ target: ping.target, outcome: ping.outcome });
      const line = {
        event: 'heartbeat.pinged',
        target: ping.target,
        outcome: ping.outcome,
        detail: ping.detail,
      };
      if (ping.outcome === 'sent') log.debug(line, 'the outgoing heartbeat was sent');
      else if (ping.outcome === 'failed') log.warn(line, 'the outgoing heartbeat does not get through');
      else log.warn(line, 'the outgoing heartbeat is withheld');
    },

    jobFailed(failure: { task: string; attempts: number; final: boolean; error: unknown }): void {
      metrics.jobFailures.inc({ task: failure.task, final: String(failure.final) });
      const line = {
        event: 'job.failed',
        task: failure.task,
        attempts: failure.attempts,
        err: failure.error,
      };
      if (failure.final) log.error(line, 'a job failed for the last time');
      else log.warn(line, 'a job failed and is tried again');
    },
  };
}
