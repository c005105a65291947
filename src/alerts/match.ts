import { label } from '../lib/labels.ts';
import type { Alert } from './alert.ts';

/**
 * Conditions over an alert, as routes and assignment use them: every one that is
 * given has to fit, any of its values will do, `*` stands for any text.
 */
export type AlertMatch = {
  severity?: string[] | undefined;
  source?: string[] | undefined;
  namespace?: string[] | undefined;
  labels?: Record<string, string[]> | undefined;
};

export function matches(
  alert: Pick<Alert, 'severity' | 'source' | 'namespace' | 'labels'>,
  condition: AlertMatch,
): boolean {
  return (
    fits(alert.severity, condition.severity) &&
    fits(alert.source, condition.source) &&
    fits(alert.namespace ?? '', condition.namespace) &&
    Object.entries(condition.labels ?? {}).every(([name, patterns]) =>
      fits(label(alert.labels, name) ?? '', patterns),
    )
  );
}

function fits(value: string, patterns: string[] | undefined): boolean {
  return patterns === undefined || patterns.some((pattern) => wildcardFits(value, pattern));
}

/** Whether a text fits a pattern in which `*` stands for any text. */
export function wildcardFits(value: string, pattern: string): boolean {
  if (!pattern.includes('*')) return value === pattern;
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop() ?? '';
  if (!value.startsWith(head) || value.length < head.length + tail.length) return false;
  let position = head.length;
  for (const part of rest) {
    const found = value.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return value.endsWith(tail) && value.length - tail.length >= position;
}

const developmentEnvironments = new Set(['dev', 'development', 'test', 'staging']);

/** Alerts of these environments go to their own channel and open no incident by themselves. */
export function isDevelopment(alert: Pick<Alert, 'labels'>): boolean {
  return developmentEnvironments.has((alert.labels['environment'] ?? '').trim().toLowerCase());
}

/** Health checks of what this service itself rests on; only our own checks come from that source. */
export function isOwnDependency(alert: Pick<Alert, 'source' | 'labels'>): boolean {
  return (
    alert.source === 'health-check' && ['database', 'dependency'].includes(alert.labels['check_type'] ?? '')
  );
}
