import { describe, expect, it } from 'vitest';
import { StopSteps } from './stop-steps.ts';

describe('stopping', () => {
  it('goes backwards, work first, and past what fails or hangs', async () => {
    const done: string[] = [];
    const troubles: string[] = [];
    const steps = new StopSteps((step, error) => troubles.push(`${step}: ${(error as Error).message}`));
    const note = (name: string) => async () => void done.push(name);
    steps.push('database', note('database'));
    steps.push('broken', () => Promise.reject(new Error('no luck')));
    steps.push('hanging', () => new Promise(() => {}), 5);
    steps.push('door', note('door'));
    steps.pushEarly('worker', note('worker'));
    await steps.run(1_000);
    expect(done).toEqual(['worker', 'door', 'database']);
    expect(troubles).toEqual(['hanging: not stopped within 5 ms', 'broken: no luck']);
    await steps.run(1_000);
    expect(done).toHaveLength(3);
  });

  it('is over when its time is, whatever hangs', async () => {
    const troubles: string[] = [];
    const steps = new StopSteps((step) => troubles.push(step));
    for (const name of ['a', 'b', 'c']) steps.push(name, () => new Promise(() => {}), 60_000);
    await steps.run(10);
    expect(troubles).toEqual(['c', 'b', 'a']);
  });
});
