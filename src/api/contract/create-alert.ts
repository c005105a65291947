import { z } from 'zod';

import { excerpt, found, isObject } from '../../lib/found.ts';
import { timeOrNull } from '../../lib/times.ts';
import { meantField } from './field-names.ts';

/**
 * One alert of `POST /api/v1/alerts`. The limits are far above what people
 * write and far below what would hurt: they keep one request from filling the
 * table. Unknown fields are refused by name, because a mistyped `severty`
 * would otherwise quietly become P3.
 */

const mostLabels = 100;
const longestName = 256;
const longestValue = 16_384;

/** Not a record of zod's: that leaves out a name such as `__proto__`, which is a name like any other. */
const LabelMap = z
  .unknown()
  .superRefine((map, context) => {
    for (const { path, message } of faultsOf(map)) context.addIssue({ code: 'custom', path, message });
  })
  .meta({
    type: 'object',
    maxProperties: mostLabels,
    propertyNames: { minLength: 1, maxLength: longestName },
    additionalProperties: {
      anyOf: [{ type: 'string', maxLength: longestValue }, { type: 'number' }, { type: 'boolean' }],
    },
  }) as z.ZodType<Record<string, string | number | boolean>>;

function faultsOf(map: unknown): { path: string[]; message: string }[] {
  if (!isObject(map)) return [{ path: [], message: `Expected an object of texts, found ${found(map)}.` }];
  const entries = Object.entries(map);
  if (entries.length > mostLabels)
    return [{ path: [], message: `At most ${mostLabels} entries are taken, found ${entries.length}.` }];
  return entries.flatMap(([name, value]) => {
    if (name === '') return [{ path: [], message: 'A name is empty.' }];
    if (name.length > longestName)
      return [
        { path: [], message: `A name has ${name.length} characters, at most ${longestName} are taken.` },
      ];
    if (typeof value === 'string' && value.length > longestValue)
      return [{ path: [name], message: `Too big: expected at most ${longestValue} characters.` }];
    const isTaken = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return isTaken
      ? []
      : [{ path: [name], message: `Expected a text, a number or true/false, found ${found(value)}.` }];
  });
}

const IsoTime = z.iso.datetime({ offset: true });
const noTime = 'Expected an ISO 8601 time with a zone, such as 2026-11-20T08:15:30Z.';
/** An empty text is no time, as year 1 and 1970 are: that is how other languages write it. */
const Time = z
  .string({ error: noTime })
  .refine((text) => text === '' || IsoTime.safeParse(text).success, { error: noTime })
  .meta({ format: 'date-time' });

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
  .refine(
    (alert) => {
      const startsAt = timeOrNull(alert.startsAt);
      const endsAt = timeOrNull(alert.endsAt);
      return startsAt === null || endsAt === null || endsAt >= startsAt;
    },
    { path: ['endsAt'], error: 'endsAt is before startsAt.' },
  );

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
