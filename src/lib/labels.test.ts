import { describe, expect, it } from 'vitest';

import { label, readLabels, setLabel } from './labels.ts';

const json = (text: string): unknown => JSON.parse(text);

describe('readLabels', () => {
  it('keeps texts as they are, NUL and markup included', () => {
    const value = json('{"a":"\\u0000<!channel>","名前":"","x y":"1"}');
    expect(readLabels(value, 'labels')).toEqual({
      ok: true,
      labels: { a: '\u0000<!channel>', 名前: '', 'x y': '1' },
    });
  });

  it('turns numbers and booleans into text and leaves null out', () => {
    expect(readLabels(json('{"a":1.5,"b":true,"c":null,"d":"x"}'), 'labels')).toEqual({
      ok: true,
      labels: { a: '1.5', b: 'true', d: 'x' },
    });
  });

  it.each([undefined, null])('takes %s as no labels', (value) => {
    expect(readLabels(value, 'labels')).toEqual({ ok: true, labels: {} });
  });

  it.each([
    [[], 'labels: expected an object of texts, found an empty array'],
    ['x', 'labels: expected an object of texts, found the text "x"'],
    [{ a: {} }, 'labels.a: expected a text, found an empty object'],
    [{ a: [1] }, 'labels.a: expected a text, found an array of 1'],
  ])('refuses %j', (value, reason) => {
    expect(readLabels(value, 'labels')).toEqual({ ok: false, reason });
  });

  it('keeps nested values as JSON text on request, and refuses bottomless ones', () => {
    expect(readLabels({ a: { b: [1] } }, 'annotations', 'as-text')).toEqual({
      ok: true,
      labels: { a: '{"b":[1]}' },
    });
    const deep = json(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
    expect(() => readLabels(deep, 'annotations', 'as-text')).not.toThrow();
  });

  it.each(['{"__proto__":"x","a":"b"}', '{"__proto__":"x","a":1}'])(
    'keeps a label named __proto__ as an own property: %s',
    (text) => {
      const result = readLabels(json(text), 'labels');
      const labels = result.ok ? result.labels : {};
      expect(label(labels, '__proto__')).toBe('x');
      expect(JSON.parse(JSON.stringify(labels))).toEqual(labels);
      expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    },
  );

  it('makes half surrogate pairs storable', () => {
    expect(readLabels(json('{"a\\ud800":"\\udc00b"}'), 'labels')).toEqual({
      ok: true,
      labels: { 'a\ufffd': '\ufffdb' },
    });
  });

  it('does not find what is inherited', () => {
    const labels: Record<string, string> = {};
    setLabel(labels, '__proto__', 'x');
    expect(label({}, 'constructor')).toBeUndefined();
    expect(label({}, '__proto__')).toBeUndefined();
    expect(label(labels, '__proto__')).toBe('x');
  });
});
