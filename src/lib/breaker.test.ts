import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Breaker, type BreakerChange, type Verdict } from './breaker.ts';

let breaker: Breaker;
let changes: BreakerChange[];

beforeEach(() => {
  vi.useFakeTimers();
  breaker = new Breaker('vendor');
  changes = [];
  breaker.onChange((change) => changes.push(change));
});
afterEach(() => void vi.useRealTimers());

const judge = (verdict: Verdict) => ({ verdict, detail: `it was ${verdict}` });
const answer = (verdict: Verdict) => breaker.run(() => Promise.resolve(verdict), judge);

async function open(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await answer('failed');
}

describe('a breaker', () => {
  it('opens after five failures in a row and says so once', async () => {
    for (let n = 0; n < 4; n += 1) await answer('failed');
    await answer('ok');
    for (let n = 0; n < 4; n += 1) await answer('failed');
    expect(breaker.isOpen).toBe(false);
    await answer('failed');
    expect(breaker.isOpen).toBe(true);
    expect(changes).toEqual([{ target: 'vendor', open: true, detail: 'it was failed' }]);
  });

  it('opens at once when nothing can work', async () => {
    await answer('fatal');
    expect(changes).toEqual([{ target: 'vendor', open: true, detail: 'it was fatal' }]);
  });

  it('holds calls back while it is open, without making them', async () => {
    await open();
    const call = vi.fn<() => Promise<Verdict>>(() => Promise.resolve('ok'));
    expect(await breaker.run(call, judge)).toEqual({ held: true, retryAfterMs: 1_500 });
    vi.advanceTimersByTime(1_000);
    expect(await breaker.run(call, judge)).toEqual({ held: true, retryAfterMs: 500 });
    expect(call).not.toHaveBeenCalled();
  });

  it('lets one call through to probe, holds the others, and closes when it succeeds', async () => {
    await open();
    vi.advanceTimersByTime(1_500);
    const probe = Promise.withResolvers<Verdict>();
    const first = breaker.run(() => probe.promise, judge);
    expect(await answer('ok')).toMatchObject({ held: true });
    probe.resolve('ok');
    expect(await first).toEqual({ held: false, result: 'ok' });
    expect(changes.map((change) => change.open)).toEqual([true, false]);
    expect(await answer('ok')).toEqual({ held: false, result: 'ok' });
  });

  it('stays open, and tells nobody again, when the probe fails', async () => {
    await open();
    vi.advanceTimersByTime(1_500);
    expect(await answer('failed')).toEqual({ held: false, result: 'failed' });
    expect(breaker.heldForMs).toBe(1_500);
    expect(changes).toHaveLength(1);
  });

  it('probes again within five seconds though a probe hangs, and still gives its answer', async () => {
    await open();
    vi.advanceTimersByTime(1_500);
    const hanging = Promise.withResolvers<Verdict>();
    const first = breaker.run(() => hanging.promise, judge);
    await vi.advanceTimersByTimeAsync(3_500 + 1_500);
    expect(await answer('ok')).toEqual({ held: false, result: 'ok' });
    expect(breaker.isOpen).toBe(false);
    hanging.resolve('failed');
    expect(await first).toEqual({ held: false, result: 'failed' });
  });

  it('passes on what a call throws, which says nothing of the target', async () => {
    for (let n = 0; n < 9; n += 1) {
      await expect(breaker.run(() => Promise.reject(new Error('a bug')), judge)).rejects.toThrow('a bug');
    }
    expect(breaker.isOpen).toBe(false);
  });
});
