import { z } from 'zod';
import {
  anyOf,
  Id,
  ListedAction,
  NumberMap,
  PageQuery,
  Severity,
  Source,
  Status,
  TextMap,
  Time,
} from './common.ts';

export const AlertLinks = z.object({
  self: z.string(),
  incident: z.string().nullable(),
  source: z.string().nullable(),
  silence: z.string().nullable(),
  dashboard: z.string().nullable(),
  panel: z.string().nullable(),
  runbook: z.string().nullable(),
  image: z.string().nullable(),
});

export const Alert = z.object({
  id: z.string(),
  fingerprint: z.string(),
  correlationId: z.string(),
  source: Source,
  severity: Severity,
  status: Status,
  title: z.string(),
  description: z.string(),
  namespace: z.string().nullable(),
  labels: TextMap,
  annotations: TextMap,
  values: NumberMap.nullable(),
  stateReason: z.string().nullable(),
  incidentId: z.string().nullable(),
  traceId: z.string().nullable(),
  traceIds: z.array(z.string()),
  traceUrl: z.string().nullable(),
  occurrences: z.number().int(),
  episode: z.number().int(),
  role: z.enum(['primary', 'secondary', 'standalone']),
  primaryId: z.string().nullable(),
  assignedTo: z.string().nullable(),
  startsAt: z.string(),
  lastSeenAt: z.string(),
  staleAt: z
    .string()
    .nullable()
    .describe('Since when nothing was heard of it for so long that its end may have been missed.'),
  createdAt: z.string(),
  updatedAt: z.string(),
  acknowledgedAt: z.string().nullable(),
  acknowledgedBy: z.string().nullable(),
  resolvedAt: z.string().nullable(),
  archivedAt: z.string().nullable(),
  links: AlertLinks,
});
export type Alert = z.infer<typeof Alert>;

export const Decision = z.object({
  stage: z
    .string()
    .describe(
      'parse, dedup, severity, namespace, title, trace, grouping, routing, suppression, incident or delivery.',
    ),
  outcome: z.string(),
  reason: z.string(),
  at: z.string(),
  deliveryId: z.string().nullable(),
});

export const AlertDetail = Alert.extend({
  actions: z.array(ListedAction).describe('The audit log, oldest first.'),
  decisions: z.array(Decision).describe('Why the alert is as it is.'),
  related: z.array(Alert),
});
export type AlertDetail = z.infer<typeof AlertDetail>;

export const AlertQuery = PageQuery.extend({
  status: anyOf(Status),
  severity: anyOf(Severity),
  source: anyOf(Source),
  namespace: anyOf(z.string().min(1)),
  incidentId: anyOf(Id),
  correlationId: anyOf(Id),
  assignedTo: anyOf(z.string().min(1)),
  role: anyOf(z.enum(['primary', 'secondary', 'standalone'])),
  q: z.string().min(1).max(200).optional().describe('Part of a word in title, label alertname or namespace.'),
  from: Time.optional().describe('Created at or after.'),
  to: Time.optional().describe('Created before.'),
  sort: z.enum(['createdAt', 'updatedAt', 'severity']).default('createdAt'),
  order: z
    .enum(['asc', 'desc'])
    .optional()
    .describe('By default desc for times, asc (P0 first) for severity.'),
});

export const EntryResult = z.object({
  id: z.string().optional(),
  fingerprint: z.string().optional(),
  outcome: z.enum(['created', 'updated', 'resolved', 'ignored', 'rejected']),
  reason: z.string().optional(),
});

export const CreateAlertsAnswer = z.object({ results: z.array(EntryResult).describe('In input order.') });

export const DeliveryAnswer = z.object({
  deliveryId: z.string(),
  received: z.number().int(),
  created: z.number().int(),
  updated: z.number().int(),
  resolved: z.number().int(),
  ignored: z.number().int(),
  rejected: z.array(z.object({ index: z.number().int(), reason: z.string() })),
  truncatedAlerts: z
    .number()
    .int()
    .optional()
    .describe('How many more alerts the sender left out, where it left out any: it takes them for told.'),
});
export type DeliveryAnswer = z.infer<typeof DeliveryAnswer>;

/** 202: durable in the spool, because the database is away; stored when it is back. */
export const SpooledAnswer = z.object({
  spooled: z.literal(true),
  deliveryId: z.string(),
  received: z.number().int(),
});
export type SpooledAnswer = z.infer<typeof SpooledAnswer>;

export const AcknowledgeBody = z.strictObject({ note: z.string().max(10_000).optional() }).nullish();
export const EscalateBody = z
  .strictObject({
    severity: Severity.optional().describe('One level up when absent.'),
    note: z.string().max(10_000).optional(),
  })
  .nullish();
export const AssignBody = z.strictObject({ assignedTo: z.string().trim().min(1).max(320) });
export const NoteBody = z.strictObject({ text: z.string().trim().min(1).max(10_000) });
