import { describe, expect, it } from 'vitest';
import type { CommandPayload } from './incident-store.ts';
import { nextOf, type Queued } from './next-command.ts';

const now = new Date('2026-11-20T10:00:00Z');
const inMs = (ms: number) => new Date(now.getTime() + ms);
const refused = { refusals: 1, attempts: 1, nextAt: inMs(8_000) };
const open: CommandPayload = {
  kind: 'open',
  incident: { title: '', description: '', severity: 'P1', details: {}, tags: [], source: '', responders: [] },
};
const assign = (assignee: string): CommandPayload => ({ kind: 'assign', assignee });
const note = (text: string): CommandPayload => ({ kind: 'add-note', text });

function queued(payload: CommandPayload, parts: Partial<Queued> = {}): Queued {
  return { payload, state: 'pending', attempts: 0, refusals: 0, nextAt: now, ...parts };
}
const pick = (...queue: Queued[]) => {
  const { next, moot } = nextOf(queue, now);
  return { next: next?.payload ?? null, moot: moot.map((one) => one.payload) };
};

describe('the next command', () => {
  it('is the first; none of nothing', () => {
    expect(pick()).toEqual({ next: null, moot: [] });
    expect(pick(queued(assign('a')), queued({ kind: 'acknowledge' }))).toEqual({
      next: assign('a'),
      moot: [],
    });
  });

  it('overtakes one that was refused and waits, but not one of its own kind', () => {
    const first = queued(assign('nobody'), refused);
    expect(pick(first, queued(assign('bob')), queued({ kind: 'acknowledge' })).next).toEqual({
      kind: 'acknowledge',
    });
    expect(pick(queued(note('one'), refused), queued(note('two'))).next).toEqual(note('one'));
    expect(pick(queued(note('one'), refused), queued({ kind: 'close' })).next).toEqual({ kind: 'close' });
  });

  it('is the refused one again as soon as its time has come', () => {
    const due = queued(assign('nobody'), { ...refused, nextAt: now });
    expect(pick(due, queued({ kind: 'acknowledge' })).next).toEqual(assign('nobody'));
  });

  it('is, while none is due, the one that is due first', () => {
    const later = queued({ kind: 'acknowledge' }, { ...refused, nextAt: inMs(3_000) });
    expect(pick(queued(assign('nobody'), refused), later).next).toEqual({ kind: 'acknowledge' });
  });

  it('overtakes neither the opening nor what is being worked on nor what failed only once', () => {
    expect(pick(queued(open, refused), queued({ kind: 'close' })).next).toEqual(open);
    const accepted = queued(assign('a'), { ...refused, state: 'accepted' });
    expect(pick(accepted, queued({ kind: 'acknowledge' })).next).toEqual(assign('a'));
    const once = queued(assign('a'), { attempts: 1, state: 'unknown', nextAt: inMs(1_000) });
    expect(pick(once, queued({ kind: 'acknowledge' })).next).toEqual(assign('a'));
    expect(pick({ ...once, attempts: 2 }, queued({ kind: 'acknowledge' })).next).toEqual({
      kind: 'acknowledge',
    });
  });

  it('before a close: what was refused and would be over with it is not said any more', () => {
    const nobody = queued(assign('nobody'), { ...refused, nextAt: now });
    const close = queued({ kind: 'close' });
    expect(pick(nobody, queued(note('n'), refused), close)).toEqual({
      next: { kind: 'close' },
      moot: [assign('nobody')],
    });
    expect(pick(nobody, queued({ kind: 'close', twin: 'x' })).moot).toEqual([]);
    expect(pick(queued(assign('bob')), close)).toEqual({ next: assign('bob'), moot: [] });
    expect(pick(close, nobody).moot).toEqual([]);
  });
});
