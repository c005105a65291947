import type { AlertCard } from '../../notify/message.ts';

const ann = { id: 'user:ann', name: 'Ann Example', slackId: 'U0ANN00001' };

/** A card with everything on it: a template is checked against it. */
export const fullSampleCard: AlertCard = {
  alertId: '01998a3c-0000-7000-8000-000000000001',
  kind: 'alert',
  title: 'payments-api p99 latency',
  description: '99th percentile above 2 s for 5 minutes',
  severity: 'P1',
  status: 'acknowledged',
  source: 'grafana',
  namespace: 'payments',
  labels: [{ name: 'service', value: 'payments-api' }],
  startsAt: new Date('2026-03-01T10:00:00Z'),
  silentSince: new Date('2026-03-01T10:05:00Z'),
  resolvedAt: new Date('2026-03-01T10:12:00Z'),
  acknowledgedBy: ann,
  acknowledgedAt: new Date('2026-03-01T10:02:00Z'),
  resolvedBy: ann,
  assignedTo: ann,
  occurrences: 3,
  stateReason: 'NoData',
  values: [{ name: 'A', value: 2.31 }],
  notes: [{ by: ann, text: 'Looking at the database', at: new Date('2026-03-01T10:03:00Z') }],
  rules: [{ title: 'payments-api p99 latency', status: 'firing' }],
  incident: {
    id: '01998a3c-0000-7000-8000-0000000000aa',
    title: 'payments-api is slow',
    status: 'open',
    url: 'https://incidents.example.com/1',
  },
  trace: { id: '4bf92f3577b34da6', url: 'https://traces.example.com/trace/4bf92f3577b34da6' },
  links: [{ rel: 'runbook', url: 'https://runbooks.example.com/latency' }],
  url: 'https://gomon.example.com/alerts/1',
  actions: ['acknowledge', 'escalate', 'create-incident', 'resolve', 'add-note'],
};

/** A card with nothing on it that may be missing. */
export const bareSampleCard: AlertCard = {
  ...fullSampleCard,
  description: '',
  status: 'firing',
  namespace: null,
  labels: [],
  silentSince: null,
  resolvedAt: null,
  acknowledgedBy: null,
  acknowledgedAt: null,
  resolvedBy: null,
  assignedTo: null,
  occurrences: 1,
  stateReason: null,
  values: [],
  notes: [],
  rules: [],
  incident: null,
  trace: null,
  links: [],
  actions: [],
};
