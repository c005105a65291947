import { z } from 'zod';

import { excerpt } from '../../lib/found.ts';
import { meantField } from './field-names.ts';

/**
 * One alert of `POST /api/v1/alerts`. The limits are far above what people
 * write and far below what would hurt: they keep one request from filling the
 * table. Unknown fields are refused by name, because a mistyped `severty`
 * would otherwise quietly become P3.
 *
 * A label or annotation named `__proto__` is left out (zod drops it, and the
 * JSON parser of the HTTP server refuses it before that).
 */

const mostLabels = 100;
const longestName = 256;
const longestValue = 16_384;

const LabelMap = z
  .record(
    z.string().min(1).max(longestName),
    z.union([z.string().max(longestValue), z.number(), z.boolean()], {
      error: `Expected a text of at most ${longestValue} characters, a number or true/false.`,
    }),
  )
  .refine((map) => Object.keys(map).length <= mostLabels, {
    error: `At most ${mostLabels} entries are taken.`,
  });

const Time = z.iso.datetime({
  offset: true,
  error: 'Expected an ISO 8601 time with a zone, such as 2026-11-20T08:15:30Z.',
});

const fields = {
  title: z
    .string({ error: 'A title is required: a text of 1 to 1000 characters.' })
    .max(1_000)
    .refine((title) => title.trim() !== '', { error: 'The title is empty.' })
    .describe('What is wrong, in one line.'),
  severity: z
    .string()
    .max(100)
    .nullish()
    .describe(
      'P0 to P4, or a word such as "critical" or "warning". A word that is not known counts as P3; it is never guessed upwards.',
    ),
  status: z
    .enum(['firing', 'resolved'])
    .default('firing')
    .describe(
      '"resolved" ends the alert with the same identity. An `endsAt` that has passed resolves it, too.',
    ),
  source: z.string().max(200).nullish().describe('Who reports it; kept as the label `source`.'),
  description: z.string().max(100_000).nullish(),
  namespace: z.string().max(253).nullish().describe('The Kubernetes namespace concerned.'),
  labels: LabelMap.nullish().describe('Names to texts: part of the identity unless `dedupKey` is given.'),
  annotations: LabelMap.nullish().describe('Names to texts that are not part of the identity.'),
  dedupKey: z
    .string()
    .max(500)
    .refine((key) => key.trim() !== '', {
      error: 'The dedupKey is empty; leave it out to have one computed.',
    })
    .nullish()
    .describe('What identifies the alert over time. Without it: title, namespace and labels.'),
  startsAt: Time.nullish().describe('When it began; by default when it was first received.'),
  endsAt: Time.nullish().describe(
    'When it ended; if that is still to come, the alert resolves by itself then.',
  ),
  traceId: z
    .string()
    .max(1_000)
    .nullish()
    .describe('A trace id in hex, or a traceparent, b3, uber-trace-id or X-Amzn-Trace-Id value.'),
};

const names = Object.keys(fields);

export const CreateAlert = z
  .strictObject(fields, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownFields(issue['keys']) : undefined),
  })
  .refine(({ startsAt, endsAt }) => !startsAt || !endsAt || Date.parse(endsAt) >= Date.parse(startsAt), {
    path: ['endsAt'],
    error: 'endsAt is before startsAt.',
  });

export type CreateAlert = z.infer<typeof CreateAlert>;

function unknownFields(keys: readonly string[]): string {
  const named = keys.slice(0, 5).map((key) => {
    const nearest = meantField(key, names);
    return nearest === null ? excerpt(key, 40) : `${excerpt(key, 40)} (did you mean "${nearest}"?)`;
  });
  const more = keys.length > named.length ? ` and ${keys.length - named.length} more` : '';
  const fieldWord = keys.length === 1 ? 'Unknown field' : 'Unknown fields';
  return `${fieldWord} ${named.join(', ')}${more}. Allowed are ${names.join(', ')}; anything else belongs into labels or annotations.`;
}
