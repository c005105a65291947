import { z } from 'zod';
import { NumberMap, TextMap } from './common.ts';

/**
 * What vendors send, for whoever reads the documentation or tries a door out from
 * there: the fields that are looked at. Nothing is validated by these schemas; the
 * adapters read what comes, and say what is wrong with it.
 */

const labels = TextMap.meta({ examples: [{ alertname: 'DiskFull', severity: 'critical' }] });
const annotations = TextMap.meta({ examples: [{ summary: 'The disk of db-1 is full' }] }).optional();
const startsAt = z
  .string()
  .optional()
  .meta({ examples: ['2026-11-20T08:15:30Z'] });

const WebhookAlert = z.looseObject({
  status: z.enum(['firing', 'resolved']),
  labels,
  annotations,
  startsAt,
  endsAt: z.string().optional().describe('Of a resolved alert.'),
  generatorURL: z.string().optional(),
  fingerprint: z.string().optional().describe('Its identity; computed from the labels when absent.'),
});

export const AlertmanagerWebhook = z.looseObject({
  version: z.string().meta({ examples: ['4'] }),
  alerts: z.array(WebhookAlert),
});

export const GrafanaWebhook = z.looseObject({
  version: z
    .string()
    .optional()
    .meta({ examples: ['1'] })
    .describe('Absent in legacy alerting.'),
  orgId: z.number().int().optional(),
  alerts: z.array(
    WebhookAlert.extend({
      values: NumberMap.nullish(),
      silenceURL: z.string().optional(),
      dashboardURL: z.string().optional(),
      panelURL: z.string().optional(),
      imageURL: z.string().optional(),
    }),
  ),
});

export const PostableAlerts = z.array(
  z.looseObject({
    labels,
    annotations,
    startsAt,
    endsAt: z.string().optional().describe('Passed: resolved. To come: believed until then.'),
    generatorURL: z.string().optional(),
  }),
);

export const OpsgenieWebhook = z.looseObject({
  action: z.string().meta({ examples: ['Acknowledge'] }),
  alert: z.looseObject({
    alertId: z.string(),
    alias: z.string().optional(),
    username: z.string().optional().describe('Who did it.'),
    note: z.string().optional(),
  }),
});
export const OpsgenieHeaders = z.object({ 'X-GoMon-Webhook-Secret': z.string().optional() });

export const SlackInteraction = z.object({ payload: z.string().describe('The interaction as JSON.') });
export const SlackCommand = z.looseObject({
  command: z.string(),
  text: z.string(),
  user_id: z.string(),
  response_url: z.string(),
});
export const SlackEvent = z.looseObject({ type: z.string(), challenge: z.string().optional() });
export const SlackHeaders = z.object({
  'X-Slack-Request-Timestamp': z.string(),
  'X-Slack-Signature': z.string(),
});
