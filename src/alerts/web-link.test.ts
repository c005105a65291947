import { describe, expect, it } from 'vitest';

import { webLink, webLinks } from './web-link.ts';

describe('webLink', () => {
  it.each([
    'https://grafana.example.test/d/abc?orgId=1&matcher=a%3Db',
    'http://prometheus-k8s-0:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
    'HTTPS://example.test',
  ])('keeps %s as it is', (url) => {
    expect(webLink('source', url)).toEqual({ rel: 'source', url });
  });

  it.each([
    '',
    'TODO',
    '?orgId=1',
    '/d/abc',
    '//example.test/x',
    'javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    'ftp://example.test',
    'http://',
    'https://exa mple.test',
    `https://example.test/${'x'.repeat(9_000)}`,
    5,
    null,
    undefined,
  ])('drops %j', (raw) => {
    expect(webLink('source', raw)).toBeNull();
  });

  it('encodes what could break out of markup', () => {
    expect(webLink('runbook', ' https://example.test/a b|<c>`\'"')?.url).toBe(
      'https://example.test/a%20b%7C%3Cc%3E%60%27%22',
    );
  });
});

describe('webLinks', () => {
  it('takes the first usable of each relation', () => {
    const links = webLinks([
      ['runbook', 'TODO'],
      ['runbook', 'https://a.test/'],
      ['runbook', 'https://b.test/'],
      ['image', 'https://c.test/'],
    ]);
    expect(links).toEqual([
      { rel: 'runbook', url: 'https://a.test/' },
      { rel: 'image', url: 'https://c.test/' },
    ]);
  });
});
