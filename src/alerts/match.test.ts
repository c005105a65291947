import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { knownAlert } from '../../test/support/alerts.ts';
import { type AlertMatch, isDevelopment, matches } from './match.ts';

const alert = knownAlert({ namespace: 'shop', labels: { team: 'shop', cluster: 'eu-1', empty: '' } });

describe('matching an alert', () => {
  it.each<[string, AlertMatch, boolean]>([
    ['no condition fits everything', {}, true],
    ['the severity', { severity: ['P1', 'P2'] }, true],
    ['another severity', { severity: ['P1'] }, false],
    ['the source', { source: ['grafana'] }, true],
    ['the namespace', { namespace: ['shop'] }, true],
    ['a part of the namespace is not the namespace', { namespace: ['sho'] }, false],
    ['the case counts', { namespace: ['Shop'] }, false],
    ['a label', { labels: { team: ['shop'] } }, true],
    ['any value of a label', { labels: { team: ['pay', 'shop'] } }, true],
    ['every label', { labels: { team: ['shop'], cluster: ['us-*'] } }, false],
    ['every condition', { severity: ['P2'], namespace: ['shop'], labels: { cluster: ['eu-*'] } }, true],
    ['one condition that does not fit spoils it', { severity: ['P0'], labels: { team: ['shop'] } }, false],
    ['a label that is not there is empty', { labels: { missing: [''] } }, true],
    ['a label that is there and empty is empty, too', { labels: { empty: [''] } }, true],
    ['a label that is not there does not fit a text', { labels: { missing: ['x'] } }, false],
    ['no values at all fit nothing', { severity: [] }, false],
    ['names that every object has are names like any other', { labels: { constructor: ['?*'] } }, false],
    ['and do not come to life', { labels: { toString: [''] } }, true],
  ])('%s', (_name, condition, expected) => {
    expect(matches(alert, condition)).toBe(expected);
  });

  it('takes a missing namespace as empty', () => {
    const nowhere = { ...alert, namespace: null };
    expect(matches(nowhere, { namespace: [''] })).toBe(true);
    expect(matches(nowhere, { namespace: ['*'] })).toBe(true);
    expect(matches(nowhere, { namespace: ['shop'] })).toBe(false);
  });
});

describe('a wildcard', () => {
  const fits = (value: string, pattern: string): boolean =>
    matches({ ...alert, labels: { name: value } }, { labels: { name: [pattern] } });

  it.each([
    ['prod-eu-1', 'prod-*', true],
    ['prod-', 'prod-*', true],
    ['prod', 'prod-*', false],
    ['eu-prod', '*prod', true],
    ['a-b-c', 'a*c', true],
    ['ac', 'a*c', true],
    ['aba', 'ab*ba', false],
    ['abba', 'ab*ba', true],
    ['one two three', '*two*', true],
    ['abc', '*a*b*c*', true],
    ['acb', '*a*b*c*', false],
    ['aXbb', 'a*b*b', true],
    ['ab', 'a*b*b', false],
    ['', '*', true],
    ['', '**', true],
    ['a.c', 'a.c', true],
    ['abc', 'a.c', false],
    ['a(c', 'a(*', true],
    ['one\ntwo', 'one*two', true],
  ])('%j and %j: %j', (value, pattern, expected) => {
    expect(fits(value, pattern)).toBe(expected);
  });

  it('stands for any text, as a regular expression would say it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (value, pattern) => {
        const expression = new RegExp(`^${pattern.split('*').join('[^]*')}$`);
        expect(fits(value, pattern)).toBe(expression.test(value));
      }),
    );
  });
});

describe('development', () => {
  it.each([
    ['dev', true],
    ['development', true],
    ['test', true],
    ['staging', true],
    [' Staging ', true],
    ['DEV', true],
    ['production', false],
    ['prod', false],
    ['', false],
    ['devel', false],
  ])('environment %j: %j', (environment, expected) => {
    expect(isDevelopment({ labels: { environment } })).toBe(expected);
  });

  it('needs the label of just that name', () => {
    expect(isDevelopment({ labels: {} })).toBe(false);
    expect(isDevelopment({ labels: { env: 'dev', Environment: 'dev' } })).toBe(false);
  });
});
