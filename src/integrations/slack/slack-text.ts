/**
 * Text for Slack: what may be shown, how it is escaped, how it is cut.
 *
 * In mrkdwn only `& < >` can be escaped
 * (https://docs.slack.dev/messaging/formatting-message-text#escaping); the
 * formatting marks cannot. So a mark that could open or close formatting is
 * replaced by a look-alike. A mark inside a word (`kube_pod_status`) formats
 * nothing and stays as it is, so that names can still be copied.
 */

/** Overrides of the reading direction: they could make a title say something else than it does. */
const directionOverrides = /[\u202A-\u202E\u2066-\u2069]/g;
// Control characters, the byte order mark and non-characters; \n and \t are dealt with before.
const invisible = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\uFEFF\uFFFE\uFFFF]/g;
const visible = /[^\s\p{C}\p{Z}\p{M}\u115F\u1160\u3164\uFFA0\u2800]/u;

const markAtWordEdge = /(?<![\p{L}\p{N}])[*_~]|[*_~](?![\p{L}\p{N}])/gu;
const lookAlikes: Record<string, string> = { '*': '\u2217', _: '\u02CD', '~': '\u223C' };
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** One unit of mrkdwn that must not be cut apart: a token in angle brackets, an entity, a code point. */
const mrkdwnUnits = /<[^<>]*>|&(?:amp|lt|gt);|[\s\S]/gu;

const ellipsis = '…';

/** Makes any text showable: well-formed, without control characters; line breaks become `\n`. */
export function displayText(value: string): string {
  return value
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, '\n')
    .replaceAll('\t', ' ')
    .replace(invisible, '')
    .replace(directionOverrides, '');
}

/** As `displayText`, on one line. */
export function oneLine(value: string): string {
  return displayText(value).replace(/\s+/g, ' ').trim();
}

/** True when a reader would see nothing; Slack refuses such text objects. */
export function isBlank(value: string): boolean {
  return !visible.test(value);
}

/** Escapes a value for mrkdwn, so that it can neither mention anybody, nor link, nor format. */
export function escapeMrkdwn(value: string): string {
  return escapeEntities(
    value.replaceAll('`', '\u02CB').replace(markAtWordEdge, (mark) => lookAlikes[mark] ?? mark),
  );
}

/** Only `& < >`: for places where formatting marks are dealt with already (code spans, link targets). */
export function escapeEntities(value: string): string {
  return value.replace(/[&<>]/g, (character) => entities[character] ?? character);
}

/**
 * For plain_text, which Slack shows literally: bridges, exports and old clients
 * do not all know the difference, so a mention in it is parted by an invisible
 * word joiner.
 */
export function breakMentions(value: string): string {
  return value.replace(/<(?=[!@#])/g, '<\u2060');
}

/** A code span; empty for a blank value. Everything but the backtick stays literal and can be copied. */
export function codeSpan(value: string): string {
  const line = oneLine(value).replaceAll('`', '\u02CB');
  return isBlank(line) ? '' : `\`${escapeEntities(line)}\``;
}

/**
 * Cuts plain text to `max` UTF-16 units (Slack does not say what it counts;
 * this is never more than its other counts), between code points, ending in "…".
 */
export function cutPlain(value: string, max: number): string {
  if (value.length <= max) return value;
  let end = Math.max(max - ellipsis.length, 0);
  const last = value.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end -= 1;
  // A joiner at the end would glue the ellipsis to an emoji.
  return value.slice(0, end).replace(/[\s\u200D]+$/u, '') + ellipsis;
}

/** As `cutPlain` for rendered mrkdwn: leaves entities and `<…>` whole, and closes a code span it cuts. */
export function cutMrkdwn(value: string, max: number): string {
  if (value.length <= max) return value;
  const room = max - ellipsis.length - 1;
  let kept = '';
  for (const [unit] of value.matchAll(mrkdwnUnits)) {
    if (kept.length + unit.length > room) break;
    kept += unit;
  }
  const openCode = (kept.split('`').length - 1) % 2 === 1;
  return kept.trimEnd() + (openCode ? '`' : '') + ellipsis;
}
