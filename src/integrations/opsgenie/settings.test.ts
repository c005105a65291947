import { describe, expect, it } from 'vitest';
import { defaultPriorities, severityOf } from './priority.ts';
import { webUrls } from './web-url.ts';

describe('webUrls', () => {
  it.each([
    ['https://api.opsgenie.com', undefined, 'https://app.opsgenie.com/alert/detail/a%2F1/details'],
    ['https://api.eu.opsgenie.com/', undefined, 'https://app.eu.opsgenie.com/alert/detail/a%2F1/details'],
    ['http://127.0.0.1:8181/base', undefined, 'http://127.0.0.1:8181/alert/detail/a%2F1/details'],
    [
      'https://api.opsgenie.com',
      'https://acme.app.opsgenie.com/',
      'https://acme.app.opsgenie.com/alert/detail/a%2F1/details',
    ],
  ])('%s with %s', (apiUrl, webUrl, expected) => {
    expect(webUrls(apiUrl, webUrl).alert('a/1')).toBe(expected);
  });

  it('leads to incidents, too', () => {
    expect(webUrls('https://api.opsgenie.com', undefined).incident('i1')).toBe(
      'https://app.opsgenie.com/incident/detail/i1',
    );
  });
});

describe('severityOf', () => {
  it('inverts the map', () => {
    expect(['P1', 'P2', 'P3', 'P4', 'P5'].map((priority) => severityOf(priority, defaultPriorities))).toEqual(
      ['P0', 'P1', 'P2', 'P3', 'P4'],
    );
  });

  it('takes the gravest of several, and nothing for an unused one', () => {
    const priorities = { ...defaultPriorities, P3: 'P3', P4: 'P3' } as const;
    expect(severityOf('P3', priorities)).toBe('P2');
    expect(severityOf('P5', priorities)).toBeNull();
    expect(severityOf(undefined, priorities)).toBeNull();
  });
});
