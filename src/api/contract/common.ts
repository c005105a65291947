import { z } from 'zod';
import { severities, sourceNames, statuses } from '../../alerts/alert.ts';

/** Shapes shared by the routes. Times go out as ISO 8601 UTC texts. */

export const Severity = z.enum(severities);
export const Status = z.enum(statuses);
export const Source = z.enum(sourceNames);
export const Id = z.uuid({ error: 'Expected an id: a UUID such as 0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55.' });
export const Time = z.iso.datetime({
  offset: true,
  error: 'Expected an ISO 8601 time with a zone, such as 2026-11-20T08:15:30Z.',
});

/** RFC 9457. `detail` says what was found and what is allowed. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** For the responses of a route: errors have a type of their own. */
export const ProblemAnswer = {
  description: 'What is wrong, as a problem document.',
  content: { 'application/problem+json': { schema: Problem } },
};

/**
 * A map as we stored it, with names of the sender's choice: zod's records leave
 * out one called `__proto__`.
 */
function mapOf<Value>(value: { type: 'string' | 'number' }): z.ZodType<Record<string, Value>> {
  return z.unknown().meta({ type: 'object', additionalProperties: value }) as z.ZodType<
    Record<string, Value>
  >;
}
export const TextMap = mapOf<string>({ type: 'string' });
export const NumberMap = mapOf<number>({ type: 'number' });

/** Of values in one filter. */
const mostValues = 50;

/** `?severity=P0,P1`: any of them. */
export function anyOf<Item extends z.ZodType<string, string>>(item: Item) {
  const { $schema: _schema, ...items } = z.toJSONSchema(item);
  return z
    .string()
    .transform((text): string[] => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item).min(1).max(mostValues))
    .optional()
    .meta({ type: 'array', items, minItems: 1, maxItems: mostValues, description: 'A comma means any of.' });
}

export const PageQuery = z.object({
  limit: z.coerce
    .number({ error: 'limit is a whole number from 1 to 200.' })
    .int()
    .min(1)
    .max(200)
    .default(50),
  cursor: z.string().max(500).optional().describe('`nextCursor` of the page before.'),
});

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().describe('Null on the last page.'),
  });
}

export const ListedAction = z.object({
  id: z.string(),
  action: z.string(),
  userId: z.string().describe('An e-mail, a Slack id, `token:<name>`, `source:<name>` or `system`.'),
  source: z.string().describe('The door: slack, api, webhook, console or system.'),
  details: z.record(z.string(), z.unknown()),
  alertId: z.string().nullable(),
  incidentId: z.string().nullable(),
  createdAt: z.string(),
});
export type ListedAction = z.infer<typeof ListedAction>;
