import { z } from 'zod';
import { Time } from './common.ts';

export const LedgerQuery = z.strictObject({
  from: Time.optional().describe('Tellings that began at or after; 24 hours before `to` by default.'),
  to: Time.optional().describe('And before; now by default. At most 31 days after `from`.'),
});

const count = z.number().int();
const counts = z.record(z.string(), count);

/** `accepted = delivered + suppressed + pending + failed`, or `holds` is false. */
export const Ledger = z.object({
  from: z.string(),
  to: z.string(),
  holds: z.boolean().describe('Whether the sum holds, and requests agree with the audit log.'),
  accepted: count.describe('Tellings: alerts created or fired again in this time.'),
  delivered: count.describe('A message was taken by the vendor; for a broken data source the shared one.'),
  suppressed: count,
  suppressedBy: counts.describe('severity-none, heartbeat, inhibitor, no-notifier or overtaken.'),
  pending: count,
  pendingBy: counts.describe('job: not worked on yet; send: in the queue of messages.'),
  failed: count,
  failedBy: counts.describe('By the kind and code of the last error.'),
  unaccounted: count,
  unaccountedAlertIds: z.array(z.string()).describe('At most 100.'),
  entries: z.object({
    requests: count.describe('Requests of sources.'),
    refused: count.describe('Requests that could not be read at all.'),
    received: count,
    created: count,
    updated: count,
    resolved: count,
    ignored: count,
    rejected: count,
    createdByAudit: count
      .nullable()
      .describe('Has to equal `created`; null where requests are not kept any more.'),
  }),
  canary: count.describe('Tellings of our own test alerts, which are in no other number.'),
});
export type Ledger = z.infer<typeof Ledger>;
