import { describe, expect, it } from 'vitest';

import { hmacSha256, signedByAny } from './hmac.ts';

/** RFC 4231, test case 2. */
const vector = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';

describe('hmacSha256', () => {
  it('signs the parts as one text', () => {
    expect(hmacSha256('Jefe', ['what do ya want for nothing?']).toString('hex')).toBe(vector);
    expect(hmacSha256('Jefe', ['what do ya ', Buffer.from('want for nothing?')]).toString('hex')).toBe(
      vector,
    );
  });
});

describe('signedByAny', () => {
  const parts = ['what do ya want for nothing?'];

  it('accepts any of the secrets, in either case', () => {
    expect(signedByAny(['Jefe', 'other'], parts, vector)).toBe(true);
    expect(signedByAny(['other', 'Jefe'], parts, vector.toUpperCase())).toBe(true);
    expect(signedByAny(['Jefe', 'Jefe'], parts, vector)).toBe(true);
  });

  it.each([
    '',
    'zz',
    vector.slice(2),
    `${vector}00`,
    `sha256=${vector}`,
    vector.replace('5', '6'),
    'g'.repeat(64),
  ])('refuses %j', (hex) => {
    expect(signedByAny(['Jefe'], parts, hex)).toBe(false);
  });

  it('refuses everything without a secret', () => {
    expect(signedByAny([], parts, vector)).toBe(false);
  });
});
