import { describe, expect, it } from 'vitest';
import { batchedLookup } from './batched-lookup.ts';

const key = (name: string): Buffer => Buffer.from(name);

describe('batchedLookup', () => {
  it('asks once at a time, for all that were asked meanwhile together', async () => {
    const asked: string[][] = [];
    let running = 0;
    const find = batchedLookup(async (keys) => {
      running += 1;
      expect(running).toBe(1);
      asked.push(keys.map(String));
      await Promise.resolve();
      running -= 1;
      return new Map(
        keys.filter((one) => String(one) !== 'c').map((one) => [one.toString('base64'), String(one)]),
      );
    });
    const found = await Promise.all(['a', 'b', 'c', 'b'].map((name) => find(key(name))));
    expect(found).toEqual(['a', 'b', null, 'b']);
    expect(asked).toEqual([['a'], ['b', 'c', 'b']]);
  });

  it('asks for no more than 500 at once', async () => {
    const sizes: number[] = [];
    const find = batchedLookup(async (keys) => {
      sizes.push(keys.length);
      return new Map<string, number>();
    });
    await Promise.all(Array.from({ length: 1_200 }, (_, index) => find(key(String(index)))));
    expect(sizes).toEqual([1, 500, 500, 199]);
  });

  it('tells everybody who waited of a failure, and goes on', async () => {
    let isBroken = true;
    const find = batchedLookup(async (keys) => {
      if (isBroken) throw new Error('no database');
      return new Map(keys.map((one) => [one.toString('base64'), 1]));
    });
    const results = await Promise.allSettled([find(key('a')), find(key('b')), find(key('c'))]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    isBroken = false;
    expect(await find(key('a'))).toBe(1);
  });
});
