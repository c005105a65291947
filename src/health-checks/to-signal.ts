import type { AlertSignal } from '../alerts/source.ts';
import { webLink } from '../alerts/web-link.ts';
import type { ConditionChange, ConditionName } from './conditions.ts';
import type { CheckDefinition } from './health-check.ts';

const kinds: Record<
  ConditionName,
  { alertname: string; suffix: string; title: (definition: CheckDefinition, detail: string) => string }
> = {
  availability: {
    alertname: 'HealthCheckFailed',
    suffix: '',
    title: ({ name }) => `${name} fails its health check`,
  },
  latency: {
    alertname: 'HealthCheckSlow',
    suffix: '/latency',
    title: ({ name }) => `${name} answers slowly`,
  },
  certificate: {
    alertname: 'CertificateExpiring',
    suffix: '/certificate',
    title: ({ name }, detail) => `${name}: ${detail.replace(/^The certificate/, 'the certificate')}`,
  },
};

/** The identity of the alert of one condition: the check's name, so that an alert survives a changed address. */
export function fingerprintOf(check: string, condition: ConditionName): string {
  return `${check}${kinds[condition].suffix}`;
}

/** A change of a condition as a report of the source `health-check`. */
export function toSignal(definition: CheckDefinition, change: ConditionChange): AlertSignal {
  const kind = kinds[change.condition];
  const firing = change.kind === 'fire';
  const link = webLink('source', definition.target);
  return {
    status: firing ? 'firing' : 'resolved',
    tenant: '',
    fingerprint: fingerprintOf(definition.name, change.condition),
    labels: {
      ...definition.labels,
      alertname: kind.alertname,
      check: definition.name,
      check_type: definition.type,
      target: definition.target,
    },
    annotations: {},
    links: link === null ? [] : [link],
    values: null,
    startsAt: change.since,
    endsAt: firing ? null : change.at,
    expiresAt: null,
    stateReason: null,
    explicit: {
      title: firing ? kind.title(definition, change.detail) : kind.title(definition, ''),
      description: `${change.detail}.\nTarget: ${definition.target}`,
      ...(definition.namespace === null ? {} : { namespace: definition.namespace }),
      severity: change.severity,
    },
  };
}
