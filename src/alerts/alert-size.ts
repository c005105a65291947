import { sizeOfTexts } from '../lib/labels.ts';
import type { Decision } from './alert.ts';
import type { AlertSignal } from './source.ts';

/**
 * What an alert may say in all: texts and names of its labels, annotations,
 * values and its description, in characters. Limits of the single text alone let
 * one alert fill a request, and a page of such alerts the memory.
 */
export const mostCharacters = 262_144;

const marker = '… [cut: the alert is too large]';

export type Fitted =
  | { ok: true; signal: AlertSignal; decision: Decision | null }
  | { ok: false; reason: string };

export function sizeOf(signal: AlertSignal): number {
  const { labels, annotations, values, explicit } = signal;
  const names = values === null ? 0 : Object.keys(values).reduce((sum, name) => sum + name.length, 0);
  return sizeOfTexts(labels) + sizeOfTexts(annotations) + names + (explicit.description?.length ?? 0);
}

export function tooLarge(size: number): string {
  return `The alert has ${size} characters in its labels, annotations and description; at most ${mostCharacters} are taken.`;
}

/**
 * For senders that do not read answers: an alert that is too large is taken with
 * its longest annotations (and description) cut, each at the same length and
 * visibly; what was sent is kept whole with the delivery. Labels are its identity
 * and are not touched: where they are too large, it is refused.
 */
export function fitSignal(signal: AlertSignal): Fitted {
  const size = sizeOf(signal);
  if (size <= mostCharacters) return { ok: true, signal, decision: null };
  const { description } = signal.explicit;
  const annotations = Object.entries(signal.annotations);
  const lengths = [...annotations.map(([, text]) => text.length), description?.length ?? 0];
  const uncut = size - lengths.reduce((sum, length) => sum + length, 0);
  const room = mostCharacters - uncut - lengths.length * marker.length;
  if (room < 0) return { ok: false, reason: tooLarge(size) };
  const longest = levelOf(lengths, room);
  const cut = (text: string): string =>
    text.length <= longest + marker.length ? text : `${text.slice(0, longest).toWellFormed()}${marker}`;
  const reason = `It had ${size} characters, and at most ${mostCharacters} are kept: texts longer than ${longest} were cut. The delivery has all of them.`;
  return {
    ok: true,
    signal: {
      ...signal,
      annotations: Object.fromEntries(annotations.map(([name, text]) => [name, cut(text)])),
      explicit: {
        ...signal.explicit,
        ...(description === undefined ? {} : { description: cut(description) }),
      },
    },
    decision: { stage: 'parse', outcome: 'cut', reason },
  };
}

/** The greatest length to which all may be cut so that together they fit into the room. */
function levelOf(lengths: number[], room: number): number {
  let left = room;
  for (const [index, length] of lengths.toSorted((one, other) => one - other).entries()) {
    const share = Math.floor(left / (lengths.length - index));
    if (length > share) return share;
    left -= length;
  }
  return Infinity;
}
