import { z } from 'zod';
import { Alert } from './alert.ts';
import { anyOf, Id, ListedAction, PageQuery, Severity } from './common.ts';

export const IncidentStatus = z.enum(['open', 'assigned', 'resolved', 'closed']);

export const Incident = z.object({
  id: z.string(),
  title: z.string(),
  severity: Severity,
  status: IncidentStatus,
  assignedTo: z.string().nullable(),
  provider: z.string().nullable(),
  externalId: z.string().nullable(),
  externalUrl: z.string().nullable().describe('The incident at the provider; null until it confirmed it.'),
  alertCount: z.number().int().describe('An alert belongs to its latest incident.'),
  primaryAlertId: z
    .string()
    .nullable()
    .describe('The alert it was opened for, which may belong to a later incident by now.'),
  createdAt: z.string(),
  updatedAt: z.string(),
  resolvedAt: z.string().nullable(),
  links: z.object({ self: z.string(), external: z.string().nullable(), alerts: z.string() }),
});
export type Incident = z.infer<typeof Incident>;

export const IncidentDetail = Incident.extend({
  alerts: z
    .array(Alert)
    .describe('The oldest first: at most 1,000, fewer where they are large. `alertCount` counts all.'),
  actions: z.array(ListedAction),
});
export type IncidentDetail = z.infer<typeof IncidentDetail>;

export const IncidentQuery = PageQuery.extend({
  status: anyOf(IncidentStatus),
  severity: anyOf(Severity),
  assignedTo: anyOf(z.string().min(1)),
  q: z.string().min(1).max(200).optional().describe('Part of a word in the title.'),
});

export const CreateIncidentBody = z.strictObject({
  alertId: Id,
  title: z.string().trim().min(1).max(1_000).optional(),
  severity: Severity.optional(),
  incidentId: Id.optional().describe('Attach the alert to this open incident instead of opening one.'),
});

export const IncidentStatusBody = z.strictObject({ status: IncidentStatus });
