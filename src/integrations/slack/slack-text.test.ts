import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeSpan, cutMrkdwn, cutPlain, displayText, escapeMrkdwn, isBlank, oneLine } from './slack-text.ts';

describe('text for Slack', () => {
  it.each([
    ['a & b < c > d', 'a &amp; b &lt; c &gt; d'],
    ['<!channel>', '&lt;!channel&gt;'],
    ['*bold* and _it_ and ~no~', '∗bold∗ and ˍitˍ and ∼no∼'],
    ['kube_pod_status a*b', 'kube_pod_status a*b'],
    ['`x`', 'ˋxˋ'],
  ])('escapes %s', (given, expected) => {
    expect(escapeMrkdwn(given)).toBe(expected);
  });

  it.each([
    ['a\u0000b\u0007c', 'abc'],
    ['a\r\nb\rc\u2028d', 'a\nb\nc\nd'],
    ['x\u202Eevil\u202C', 'xevil'],
    ['half \uD83D.', 'half \uFFFD.'],
    ['👩‍👩‍👧 عربي', '👩‍👩‍👧 عربي'],
  ])('makes %j showable', (given, expected) => {
    expect(displayText(given)).toBe(expected);
  });

  it.each(['', ' \n', '\u200B', '\u3164', '\u0000'])('knows that %j shows nothing', (given) => {
    expect(isBlank(given)).toBe(true);
  });

  it('puts what has to be copied into a code span that it cannot leave', () => {
    expect(codeSpan('a_b=*x* `y` <z>')).toBe('`a_b=*x* ˋyˋ &lt;z&gt;`');
    expect(codeSpan(' \n ')).toBe('');
  });

  it('leaves whole what must not be cut apart', () => {
    expect(cutPlain('ab💥cd', 4)).toBe('ab…');
    expect(cutMrkdwn('ab&amp;cdefgh', 8)).toBe('ab…');
    expect(cutMrkdwn('ab <https://x.example|label> cd', 20)).toBe('ab…');
    expect(cutMrkdwn('see `some code here`', 14)).toBe('see `some co`…');
  });

  it('never exceeds the limit, nor tears an entity or a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 80 }),
        fc.integer({ min: 3, max: 60 }),
        (given, max) => {
          const plain = cutPlain(given.toWellFormed(), max);
          const escaped = cutMrkdwn(escapeMrkdwn(displayText(given)), max);
          expect(plain.length <= max && escaped.length <= max).toBe(true);
          expect(plain.isWellFormed() && escaped.isWellFormed()).toBe(true);
          expect(escaped).not.toMatch(/&(?!amp;|lt;|gt;)|[<>]/);
          expect(oneLine(given)).not.toContain('\n');
        },
      ),
    );
  });
});
