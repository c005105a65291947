import { describe, expect, it } from 'vitest';
import { sharedRead, TimeoutError } from './shared-read.ts';

function setup(timeoutMs = 10_000) {
  let nowMs = 0;
  const reads: PromiseWithResolvers<number>[] = [];
  const read = sharedRead(
    () => {
      const one = Promise.withResolvers<number>();
      reads.push(one);
      return one.promise;
    },
    { freshMs: 1_000, timeoutMs, now: () => nowMs },
  );
  return { read, reads, pass: (ms: number) => void (nowMs += ms) };
}

describe('a shared read', () => {
  it('runs once for all who ask at once, and again for those who come later', async () => {
    const { read, reads, pass } = setup();
    const both = Promise.all([read(), read()]);
    reads[0]?.resolve(7);
    expect(await both).toEqual([7, 7]);
    pass(999);
    expect(await read()).toBe(7);
    expect(reads).toHaveLength(1);
    pass(1);
    const again = read();
    reads[1]?.resolve(8);
    expect(await again).toBe(8);
  });

  it('answers a failure to all of them, too, and tries again afterwards', async () => {
    const { read, reads, pass } = setup();
    const first = read();
    reads[0]?.reject(new Error('away'));
    await expect(first).rejects.toThrow('away');
    await expect(read()).rejects.toThrow('away');
    pass(1_000);
    const second = read();
    reads[1]?.resolve(1);
    expect(await second).toBe(1);
  });

  it('gives up waiting, and does not start a second one beside one that hangs', async () => {
    const { read, reads, pass } = setup(1);
    await expect(read()).rejects.toThrow(TimeoutError);
    pass(60_000);
    await expect(read()).rejects.toThrow('no answer within 1 ms');
    expect(reads).toHaveLength(1);
    reads[0]?.resolve(5);
    expect(await read()).toBe(5);
  });
});
