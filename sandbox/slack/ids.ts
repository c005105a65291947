import { randomBytes } from 'node:crypto';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const blockAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=';

function draw(letters: string, count: number): string {
  return Array.from(randomBytes(count), (byte) => letters[byte % letters.length]).join('');
}

/** An id in Slack's style: a letter for the kind, then ten more characters. */
export function newId(kind: string): string {
  return kind + draw(alphabet, 10);
}

/** What Slack invents where a block_id or action_id is missing. */
export function newBlockId(): string {
  return draw(blockAlphabet, 5);
}

export function newSecret(length = 24): string {
  return draw(alphabet + alphabet.toLowerCase(), length);
}

/** Message timestamps: the time in microseconds, each later than the one before. */
export class Timestamps {
  #last = 0;

  next(nowMs: number): string {
    this.#last = Math.max(Math.floor(nowMs) * 1000, this.#last + 1);
    return formatTs(this.#last);
  }
}

function formatTs(micros: number): string {
  return `${Math.floor(micros / 1_000_000)}.${String(micros % 1_000_000).padStart(6, '0')}`;
}

/** Microseconds of a ts such as "1700000000.000100", or of plain seconds; null when it is neither. */
export function parseTs(ts: string): number | null {
  const match = /^(\d{1,11})(?:\.(\d{1,6}))?$/.exec(ts);
  if (!match) return null;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}
