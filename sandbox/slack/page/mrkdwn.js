/** Slack's mrkdwn. https://docs.slack.dev/messaging/formatting-message-text */
export function parseMrkdwn(text, options) {
  return text.split('```').flatMap((part, index, all) => {
    if (index % 2 === 1 && index < all.length - 1)
      return [{ kind: 'pre', text: unescapeText(part.replace(/^\n|\n$/g, '')) }];
    return parseLines(index % 2 === 1 ? '```' + part : part, options);
  });
}

/** plain_text: only line breaks and emoji mean anything. */
export function parsePlain(text) {
  return text.split('\n').flatMap((line, index) => {
    const pieces = line.split(/(:[a-z0-9_+-]+:)/).filter((part) => part !== '');
    const shown = pieces.map((part) =>
      /^:[a-z0-9_+-]+:$/.test(part)
        ? { kind: 'emoji', name: part.slice(1, -1) }
        : { kind: 'text', text: part },
    );
    return index === 0 ? shown : [{ kind: 'break' }, ...shown];
  });
}

/** The link if it leads to the web or to mail; hostile schemes lead nowhere. */
export function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return ['http:', 'https:', 'mailto:', 'tel:'].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

function parseLines(text, options) {
  const pieces = [];
  let quoted = null;
  for (const [index, line] of text.split('\n').entries()) {
    const quote = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quote) {
      if (quoted) quoted.push({ kind: 'break' });
      else pieces.push({ kind: 'quote', children: (quoted = []) });
      quoted.push(...parseInline(quote[1] ?? '', options));
      continue;
    }
    if (index > 0 && !quoted) pieces.push({ kind: 'break' });
    quoted = null;
    pieces.push(...parseInline(line, options));
  }
  return pieces;
}

const inline =
  /<([^<>\n]+)>|`([^`\n]+)`|(?<!\w)\*(?! )([^*\n]+?)(?<! )\*(?!\w)|(?<!\w)_(?! )([^_\n]+?)(?<! )_(?!\w)|(?<!\w)~(?! )([^~\n]+?)(?<! )~(?!\w)|:([a-z0-9_+-]+):|(https?:\/\/[^\s<>|]+)/g;

function parseInline(text, options) {
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(inline)) {
    if (match.index > at) pieces.push({ kind: 'text', text: unescapeText(text.slice(at, match.index)) });
    at = match.index + match[0].length;
    const [whole, control, code, bold, italic, strike, emoji, url] = match;
    if (control !== undefined) pieces.push(parseControl(control));
    else if (code !== undefined) pieces.push({ kind: 'code', text: unescapeText(code) });
    else if (bold !== undefined) pieces.push({ kind: 'bold', children: parseInline(bold, options) });
    else if (italic !== undefined) pieces.push({ kind: 'italic', children: parseInline(italic, options) });
    else if (strike !== undefined) pieces.push({ kind: 'strike', children: parseInline(strike, options) });
    else if (emoji !== undefined) pieces.push({ kind: 'emoji', name: emoji });
    else if (url !== undefined && !options.verbatim)
      pieces.push({ kind: 'link', url: unescapeText(url), label: unescapeText(url) });
    else pieces.push({ kind: 'text', text: unescapeText(whole) });
  }
  if (at < text.length) pieces.push({ kind: 'text', text: unescapeText(text.slice(at)) });
  return pieces;
}

/** What stands between < and >: a mention, a date or a link. */
function parseControl(control) {
  const [target = '', label = ''] = split(control, '|');
  const shown = unescapeText(label);
  if (target.startsWith('@')) return { kind: 'user', id: target.slice(1), label: shown };
  if (target.startsWith('#')) return { kind: 'channel', id: target.slice(1), label: shown };
  if (target.startsWith('!subteam^')) return { kind: 'group', id: target.slice(9), label: shown };
  const date = /^!date\^(\d+)\^([^^]*)(?:\^(.*))?$/.exec(target);
  if (date) {
    return {
      kind: 'date',
      seconds: Number(date[1]),
      format: unescapeText(date[2] ?? ''),
      url: unescapeText(date[3] ?? ''),
      fallback: shown,
    };
  }
  if (/^!(here|channel|everyone)$/.test(target)) return { kind: 'broadcast', name: target.slice(1) };
  if (/^[a-z][a-z0-9+.-]*:/i.test(target))
    return { kind: 'link', url: unescapeText(target), label: shown || unescapeText(target) };
  return { kind: 'text', text: `<${unescapeText(control)}>` };
}

function split(text, separator) {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function unescapeText(text) {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
