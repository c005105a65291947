import { describe, expect, it } from 'vitest';
import { RateLimiter } from './rate-limit.ts';

describe('RateLimiter', () => {
  it('takes a burst, then as many as flow in', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 2, burst: 3 });
    expect([limiter.take('a', 0), limiter.take('a', 0), limiter.take('a', 0)]).toEqual([0, 0, 0]);
    expect(limiter.take('a', 0)).toBe(500);
    expect(limiter.take('a', 499)).toBeGreaterThan(0);
    expect(limiter.take('a', 500)).toBe(0);
    expect(limiter.take('a', 500)).toBe(500);
  });

  it('never holds more than the burst, however long nobody asked', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 100, burst: 2 });
    expect([1, 2, 3].map(() => limiter.take('a', 1_000_000) === 0)).toEqual([true, true, false]);
  });

  it('counts callers apart', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burst: 1 });
    expect(limiter.take('a', 0)).toBe(0);
    expect(limiter.take('b', 0)).toBe(0);
    expect(limiter.take('a', 0)).toBe(1_000);
  });

  it('is not confused by a clock that goes back', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burst: 1 });
    expect(limiter.take('a', 10_000)).toBe(0);
    expect(limiter.take('a', 5_000)).toBe(1_000);
  });

  it('remembers no more keys than it may, and forgets the one that was quiet longest', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burst: 1 }, 3);
    for (const key of ['a', 'b', 'c', 'a', 'd']) limiter.take(key, 0);
    expect(limiter.size).toBe(3);
    expect(limiter.take('a', 0)).toBe(1_000);
    expect(limiter.take('b', 0)).toBe(0);
    for (let index = 0; index < 10_000; index += 1) limiter.take(`flood-${index}`, 0);
    expect(limiter.size).toBe(3);
  });
});
