/** Longest URL Slack takes in a button or an image. */
const maxUrlLength = 3_000;

/**
 * The URL in a form that can stand in a button and inside `<url|label>`: http or
 * https, percent-encoded where mrkdwn would read a character as its own. Any user
 * name and password in it are left out, since the whole channel reads them.
 * Null when it is not such a URL or too long.
 */
export function safeUrl(value: string): string | null {
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  url.username = '';
  url.password = '';
  const text = url.href.replace(/[\s|<>"`]/g, (character) => encodeURIComponent(character));
  return text.length <= maxUrlLength ? text : null;
}
