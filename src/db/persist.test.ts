import { describe, expect, it } from 'vitest';
import { onceThere } from './await-database.ts';
import { DatabaseAwayError } from './errors.ts';
import { persist } from './persist.ts';

/** Fails so often, then works. */
function failing(times: number, error: () => Error = () => new DatabaseAwayError('gone')) {
  let tries = 0;
  return {
    work: (): Promise<void> => {
      tries += 1;
      return tries > times ? Promise.resolve() : Promise.reject(error());
    },
    tries: () => tries,
  };
}
const signal = new AbortController().signal;

describe('writing down what has happened', () => {
  it('is tried again while the database is away', async () => {
    const write = failing(3);
    await persist(write.work, { withinMs: 10_000, signal, pauseMs: 1 });
    expect(write.tries()).toBe(4);
  });

  it('is not when it is refused, nor for longer than it counts, nor while stopping', async () => {
    const refused = failing(9, () => Object.assign(new Error('refused'), { code: '23505' }));
    await expect(persist(refused.work, { withinMs: 10_000, signal, pauseMs: 1 })).rejects.toThrow('refused');
    const late = failing(9);
    await expect(persist(late.work, { withinMs: -1, signal, pauseMs: 1 })).rejects.toThrow('gone');
    const stopping = failing(9);
    const stopped = AbortSignal.abort();
    await expect(persist(stopping.work, { withinMs: 10_000, signal: stopped, pauseMs: 1 })).rejects.toThrow(
      'gone',
    );
    expect([refused.tries(), late.tries(), stopping.tries()]).toEqual([1, 1, 1]);
  });
});

describe('waiting for the database', () => {
  const options = { patienceMs: 10_000, signal, pauseMs: 1 };

  it('says so once, and goes on when it is there', async () => {
    const work = failing(3);
    const said: string[] = [];
    await onceThere(work.work, { ...options, onWaiting: (reason) => said.push(reason) });
    expect(said).toEqual(['the database is away: gone']);
  });

  it('does not wait for what a wait does not mend, nor for ever', async () => {
    const wrong = failing(9, () => Object.assign(new Error('wrong password'), { code: '28P01' }));
    await expect(onceThere(wrong.work, { ...options, onWaiting: () => {} })).rejects.toThrow(
      'wrong password',
    );
    const never = failing(9);
    await expect(onceThere(never.work, { ...options, patienceMs: 0, onWaiting: () => {} })).rejects.toThrow(
      'the database did not come up within 0 s: the database is away: gone',
    );
  });
});
