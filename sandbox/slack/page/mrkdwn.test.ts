import { describe, expect, it } from 'vitest';
import { formatSlackDate } from './dates.js';
import { parseMrkdwn, parsePlain, safeUrl } from './mrkdwn.js';
import type { Piece } from './mrkdwn.js';

const text = (value: string): Piece => ({ kind: 'text', text: value });
const parse = (value: string, verbatim = true): Piece[] => parseMrkdwn(value, { verbatim });

describe('mrkdwn', () => {
  it.each<[string, Piece[]]>([
    ['a *b* c', [text('a '), { kind: 'bold', children: [text('b')] }, text(' c')]],
    [
      '_i_ ~s~',
      [{ kind: 'italic', children: [text('i')] }, text(' '), { kind: 'strike', children: [text('s')] }],
    ],
    ['*b _i_*', [{ kind: 'bold', children: [text('b '), { kind: 'italic', children: [text('i')] }] }]],
    ['snake_case_name 2*3*4', [text('snake_case_name 2*3*4')]],
    ['`a *b* &lt;`', [{ kind: 'code', text: 'a *b* <' }]],
    ['```\nx *y*\n```', [{ kind: 'pre', text: 'x *y*' }]],
    ['a\nb', [text('a'), { kind: 'break' }, text('b')]],
    ['&gt; quoted', [{ kind: 'quote', children: [text('quoted')] }]],
    ['&lt;!channel&gt; &amp;lt;', [text('<!channel> &lt;')]],
    ['<!channel>', [{ kind: 'broadcast', name: 'channel' }]],
    ['<@U123>', [{ kind: 'user', id: 'U123', label: '' }]],
    ['<#C1|ops>', [{ kind: 'channel', id: 'C1', label: 'ops' }]],
    ['<https://e.com/?a=1&amp;b=2|go>', [{ kind: 'link', url: 'https://e.com/?a=1&b=2', label: 'go' }]],
    [
      '<!date^1700000000^{date}^https://e.com|then>',
      [{ kind: 'date', seconds: 1_700_000_000, format: '{date}', url: 'https://e.com', fallback: 'then' }],
    ],
    [':fire:', [{ kind: 'emoji', name: 'fire' }]],
    ['<b>', [text('<b>')]],
  ])('%j', (value, pieces) => {
    expect(parse(value)).toEqual(pieces);
  });
  it('makes links of addresses unless verbatim', () => {
    expect(parse('see https://e.com', false)).toEqual([
      text('see '),
      { kind: 'link', url: 'https://e.com', label: 'https://e.com' },
    ]);
    expect(parse('see https://e.com')).toEqual([text('see '), text('https://e.com')]);
  });
  it('reads nothing but line breaks and emoji in plain text', () => {
    expect(parsePlain('*a* <@U1>\n:x:')).toEqual([
      text('*a* <@U1>'),
      { kind: 'break' },
      { kind: 'emoji', name: 'x' },
    ]);
  });
  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,<script>',
    'vbscript:x',
    'not an address',
  ])('leads nowhere with %s', (url) => {
    expect(safeUrl(url)).toBeNull();
  });
});

describe('dates', () => {
  const nowMs = Date.UTC(2026, 0, 10, 12, 0, 0);
  const at = (format: string, shiftSeconds = 0, timeZone = 'UTC'): string =>
    formatSlackDate(nowMs / 1000 + shiftSeconds, format, { nowMs, timeZone, locale: 'en-GB' });
  it.each([
    ['{date_num} {time}', 0, '2026-01-10 12:00'],
    ['{time_secs}', 5, '12:00:05'],
    ['{date_short_pretty} at {time}', -60, 'today at 11:59'],
    ['{date_pretty}', -86_400, 'yesterday'],
    ['{date_long}', -10 * 86_400, 'Wednesday, 31 December 2025'],
    ['{ago}', -300, '5 minutes ago'],
    ['{unknown}', 0, '{unknown}'],
  ])('%s', (format, shift, expected) => {
    expect(at(format, shift)).toBe(expected);
  });
  it('uses the zone of the reader', () => {
    expect(at('{date_num} {time}', 0, 'Asia/Tokyo')).toBe('2026-01-10 21:00');
  });
});
