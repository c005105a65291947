import { Liquid } from 'liquidjs';
import { safeUrl } from './safe-url.ts';
import { codeSpan, cutPlain, escapeEntities, escapeMrkdwn, oneLine } from './slack-text.ts';

/**
 * The two template engines of a card: one for mrkdwn, where every output is
 * escaped unless a filter below has made safe markup of it, and one for plain
 * text, URLs and ids, where the same filters answer plain text. So a leaf means
 * the same in both and can never mention, link or format by what an alert says.
 */
export type CardEngines = { mrkdwn: Liquid; plain: Liquid };

// What could bring in unescaped text, files, or state from one leaf to another.
const removedFilters = [
  'raw',
  'inspect',
  'json',
  'jsonify',
  'date',
  'date_to_string',
  'date_to_rfc822',
  'date_to_xmlschema',
  'date_to_long_string',
];
const removedTags = [
  'include',
  'render',
  'layout',
  'block',
  'liquid',
  'increment',
  'decrement',
  'cycle',
  'tablerow',
];

export function cardEngines(): CardEngines {
  const mrkdwn = engine((value) => escapeMrkdwn(plainText(value)));
  markup(mrkdwn, 'local_time', (value) => (isDate(value) ? dateToken(value) : ''));
  markup(mrkdwn, 'link', (url, label) => linkMarkup(plainText(url), oneLine(plainText(label))));
  markup(mrkdwn, 'code', (value) => codeSpan(plainText(value)));
  markup(mrkdwn, 'person', (value) => (isPerson(value) ? personMarkup(value) : ''));

  const plain = engine();
  plain.registerFilter('local_time', (value: unknown) => (isDate(value) ? utcText(value) : ''));
  plain.registerFilter('link', (_url: unknown, label: unknown) => oneLine(plainText(label)));
  plain.registerFilter('code', (value: unknown) => plainText(value));
  plain.registerFilter('person', (value: unknown) => (isPerson(value) ? value.name : ''));
  return { mrkdwn, plain };
}

/** "2026-11-22 04:10 UTC"; empty for an invalid date. */
export function utcText(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function engine(outputEscape?: (value: unknown) => string): Liquid {
  const liquid = new Liquid({
    strictFilters: true,
    ownPropertyOnly: true,
    jsTruthy: true,
    ...(outputEscape === undefined ? {} : { outputEscape }),
  });
  for (const name of removedFilters) liquid.unregisterFilter(name);
  for (const name of removedTags) delete liquid.tags[name];
  liquid.registerFilter('utc', (value: unknown) => (isDate(value) ? utcText(value) : ''));
  // Liquid's own cuts emoji apart.
  liquid.registerFilter('truncate', (value: unknown, length: unknown) =>
    cutPlain(plainText(value), typeof length === 'number' ? length : 50),
  );
  return liquid;
}

/** Registers a filter whose answer is safe mrkdwn and is not escaped again, if it is the last one. */
function markup(liquid: Liquid, name: string, handler: (value: unknown, argument: unknown) => string): void {
  liquid.registerFilter(name, { raw: true, handler });
}

/** Each reader sees the date in their own zone; notifications and screen readers get the UTC text. */
function dateToken(date: Date): string {
  const utc = utcText(date);
  const seconds = Math.floor(date.getTime() / 1_000);
  // Slack's dates start in 1970.
  return utc === '' || seconds < 0 ? utc : `<!date^${seconds}^{date_short_pretty} {time}|${utc}>`;
}

function linkMarkup(url: string, label: string): string {
  const safe = safeUrl(url);
  const text = label === '' ? (safe ?? '') : label;
  // A bar in the label is left as it is: only the first one separates.
  return safe === null ? escapeMrkdwn(text) : `<${escapeEntities(safe)}|${escapeMrkdwn(text)}>`;
}

type PersonValue = { id: string; name: string; slackId: string | null };

/** By name, which disturbs nobody; a mention only for someone of whom nothing but the Slack id is known. */
function personMarkup(person: PersonValue): string {
  return person.slackId !== null && person.name === person.slackId
    ? `<@${person.slackId}>`
    : escapeMrkdwn(person.name);
}

function plainText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (isDate(value)) return utcText(value);
  if (Array.isArray(value)) return value.map(plainText).join(', ');
  if (isPerson(value)) return value.name;
  return '';
}

const isDate = (value: unknown): value is Date => value instanceof Date;

function isPerson(value: unknown): value is PersonValue {
  return (
    typeof value === 'object' &&
    value !== null &&
    'slackId' in value &&
    'name' in value &&
    typeof value.name === 'string'
  );
}
