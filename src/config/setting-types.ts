import { isIP } from 'node:net';
import { z } from 'zod';
import { isForbiddenHost } from '../lib/forbidden-address.ts';
import { severities, sourceNames } from '../alerts/alert.ts';

/** The kinds of values that settings are made of. Their JSON Schema is what a person is told to be allowed. */

/** Where several values may stand, one alone needs no brackets. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z
    .union([item, z.array(item).max(1_000)])
    .transform((value): z.output<Item>[] => (Array.isArray(value) ? value : [value]));
}

/** Text; YAML's numbers and booleans count as they are written. */
export const Word = z.union([z.string().max(1_000), z.number(), z.boolean()]).transform(String);

export const Severity = z.enum(severities);

/**
 * An address that we call or that people open. Names and passwords have no place in
 * it, as addresses are printed and logged; and link-local ones are where clouds give
 * out credentials.
 */
export const WebUrl = z
  .url({ protocol: /^https?$/, hostname: /./ })
  .max(2_000)
  .refine((text) => !hasCredentials(text), {
    error: 'an address without a user name and a password in it',
  })
  .refine((text) => !isForbiddenHost(URL.parse(text)?.hostname ?? ''), {
    error: 'an address that is not link-local: those are never called',
  })
  .meta({ format: 'uri', pattern: '^https?://' });

function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  // An address of another scheme is told to be wrong already.
  return url !== null && url.protocol.startsWith('http') && (url.username !== '' || url.password !== '');
}

/** A channel's name or id. A name may leave the # out, which YAML takes for a comment when it is not quoted. */
export const Channel = z
  .string()
  .regex(/^(#?[^\s#,]{1,80})$/)
  .meta({ examples: ['#alert-critical'] })
  .transform((text) => (text.startsWith('#') || /^[CG][A-Z0-9]{8,}$/.test(text) ? text : `#${text}`));

/** A header's name; case does not count. */
export const HeaderName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/);

export const FilePath = z.string().min(1).max(4_000);

export const Proxy = z.string().refine(
  (text) => {
    const [address = '', bits, ...rest] = text.split('/');
    const family = isIP(address);
    if (family === 0 || rest.length > 0) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
  },
  { error: 'an IP address or a network such as 10.0.0.0/8' },
);

/** The conditions of a route or an assignment: all that are given have to fit, any of their values will do. */
export const matchConditions = {
  severity: listOf(Severity).exactOptional().describe('Severities, P0 to P4.'),
  source: listOf(z.enum(sourceNames)).exactOptional().describe('Sources.'),
  namespace: listOf(Word).exactOptional().describe('Namespaces; * stands for any text.'),
  labels: z
    .record(z.string().min(1), listOf(Word))
    .exactOptional()
    .describe('Labels by name, with a value or several; * stands for any text.'),
};

export const Responder = z
  .strictObject({
    type: z.enum(['team', 'user', 'escalation', 'schedule']).describe('What it is; escalation is a policy.'),
    id: z.string().min(1).exactOptional().describe("The vendor's id."),
    name: z.string().min(1).exactOptional().describe('Its name; for a user the e-mail address.'),
  })
  .refine((responder) => (responder.id === undefined) !== (responder.name === undefined), {
    error: 'a responder with either id or name',
  });
