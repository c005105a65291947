import type { Alert } from '../alerts/alert.ts';
import { isCanary } from '../alerts/canary-alert.ts';
import { type AlertMatch, isDevelopment, matches } from '../alerts/match.ts';

/** One line of `slack.routes`: alerts that fit go to the channel. */
export type Route = AlertMatch & { channel: string };

export type Routing = {
  /** The first line that fits decides. */
  routes: Route[];
  /** Where everything else goes. */
  channels: {
    /** P0 and P1. */
    critical: string;
    /** P2 to P4. */
    default: string;
    /** Label environment dev, development, test or staging, whatever the severity. */
    development: string;
  };
  /** Where our own test alerts go, before all routes; null while there are none. */
  canary?: string | null;
};

/** Where an alert is told, and why there. */
export function routeAlert(alert: Alert, routing: Routing): { channel: string; reason: string } {
  if (isCanary(alert) && typeof routing.canary === 'string')
    return { channel: routing.canary, reason: 'it is our own test alert (canary.channel)' };
  const position = routing.routes.findIndex((route) => matches(alert, route));
  const route = routing.routes[position];
  if (route !== undefined)
    return { channel: route.channel, reason: `line ${position + 1} of slack.routes fits` };
  const { channels } = routing;
  const except = routing.routes.length > 0 ? ' (no line of slack.routes fits)' : '';
  if (isDevelopment(alert)) {
    return {
      channel: channels.development,
      reason: `label environment is ${alert.labels['environment']}${except}`,
    };
  }
  if (alert.severity === 'P0' || alert.severity === 'P1') {
    return { channel: channels.critical, reason: `severity is ${alert.severity}${except}` };
  }
  return { channel: channels.default, reason: `severity is ${alert.severity}${except}` };
}

/** Why an alert is stored but told to nobody, or null when it is told. */
export function suppression(alert: Pick<Alert, 'mute'>): string | null {
  switch (alert.mute) {
    case null:
      return null;
    case 'severity-none':
      return 'its severity is "none": stored, not told';
    case 'heartbeat':
      return 'a heartbeat: firing means that its sender is alive, only its silence would be told';
    case 'inhibitor':
      return 'it exists only to mute other alerts at its sender';
    default:
      return alert.mute satisfies never;
  }
}

/** What one message is about: an alert, or all alerts of one broken data source. */
export function subjectOf(alert: Pick<Alert, 'id' | 'source' | 'tenant' | 'foldKey'>): string {
  if (alert.foldKey === null) return `alert:${alert.id}`;
  return `datasource:${JSON.stringify([alert.source, alert.tenant, alert.foldKey])}`;
}

/** Lower goes first. P0 and P1 before all else, whatever waits. */
export function notificationPriority(alert: Pick<Alert, 'severity'>): number {
  return Number(alert.severity.slice(1));
}
