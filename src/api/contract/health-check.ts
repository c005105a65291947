import { z } from 'zod';
import { conditionNames } from '../../health-checks/conditions.ts';
import { checkTypes } from '../../health-checks/health-check.ts';
import { anyOf, PageQuery, Severity } from './common.ts';

const CheckStatus = z
  .enum(['unknown', 'up', 'failing', 'down', 'recovering'])
  .describe(
    'unknown: not looked at yet; failing: not for long enough to be told; recovering: well again, its alert still open.',
  );

export const HealthCheck = z.object({
  name: z.string(),
  type: z.enum(checkTypes),
  target: z.string().describe('Without query and credentials.'),
  status: CheckStatus,
  statusSince: z.string().nullable(),
  checkedAt: z.string().nullable().describe('When it was looked at last; null: never.'),
  nextAt: z.string(),
  intervalSeconds: z.number(),
  durationMs: z.number().int().nullable().describe('Of the last look.'),
  detail: z.string().describe('What the last look found.'),
  severity: Severity.describe('Of the alert when it fails.'),
  namespace: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  certificateExpiresAt: z.string().nullable(),
  conditions: z
    .array(
      z.object({
        name: z.enum(conditionNames),
        state: z.enum(['pending', 'firing', 'recovering']),
        severity: Severity,
        since: z.string(),
        detail: z.string(),
      }),
    )
    .describe('What is wrong now, told or not yet.'),
  alertIds: z.array(z.string()).describe('Its open alerts.'),
  recent: z
    .array(z.object({ at: z.string(), ok: z.boolean(), durationMs: z.number().int(), detail: z.string() }))
    .describe('The last looks, newest first, at most 30.'),
});
export type HealthCheck = z.infer<typeof HealthCheck>;

export const HealthCheckQuery = PageQuery.extend({
  status: anyOf(CheckStatus),
  type: anyOf(z.enum(checkTypes)),
  namespace: anyOf(z.string().min(1)),
});
