import { describe, expect, it } from 'vitest';
import { safeUrl } from './safe-url.ts';

describe('a URL for Slack', () => {
  it.each([
    ['https://x.example/a b|c>d?q=<e>', 'https://x.example/a%20b%7Cc%3Ed?q=%3Ce%3E'],
    ['http://localhost:3000/d/abc?var-x=1&y=2#t=1|2', 'http://localhost:3000/d/abc?var-x=1&y=2#t=1%7C2'],
    ['https://user:secret@x.example/', 'https://x.example/'],
  ])('takes %s', (given, expected) => {
    expect(safeUrl(given)).toBe(expected);
  });

  it.each([
    '',
    'x',
    '/path',
    'javascript:alert(1)',
    'ftp://x.example',
    `https://x.example/${'a'.repeat(3_000)}`,
  ])('refuses %s', (given) => {
    expect(safeUrl(given)).toBeNull();
  });
});
