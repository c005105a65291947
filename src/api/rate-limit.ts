import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

/** So many at once, and then as many as flow in. */
export type RateLimit = { requestsPerSecond: number; burst: number };

/** More keys than this are not remembered: the one that was quiet longest starts over with a full bucket. */
const mostBuckets = 10_000;

/** Token buckets by key, in memory and per process; memory is bounded whatever the number of keys. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #mostBuckets: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limit: RateLimit, most = mostBuckets) {
    this.#limit = limit;
    this.#mostBuckets = most;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request; answers how long to wait when there is none left, else 0. */
  take(key: string, nowMs: number): number {
    const { requestsPerSecond, burst } = this.#limit;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const refilled = bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1_000) * requestsPerSecond;
    const tokens = Math.min(burst, refilled);
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > this.#mostBuckets) {
      const [oldest = key] = this.#buckets.keys();
      this.#buckets.delete(oldest);
    }
    return tokens >= 1 ? 0 : ((1 - tokens) / requestsPerSecond) * 1_000;
  }
}

/**
 * Holds one caller whose credential was found valid to the pace of a token. For
 * people and their tools only: sources are held by backpressure (503), because
 * their senders give up on 429.
 */
export function createCallerLimit(limit: RateLimit, nowMs: () => number): (request: FastifyRequest) => void {
  const limiter = new RateLimiter(limit);
  return (request) => {
    const waitMs = limiter.take(hash(request.headers.authorization ?? ''), nowMs());
    if (waitMs > 0) throw tooMany(`for one token (and a burst of ${limit.burst})`, limit, waitMs);
  };
}

export function tooMany(whose: string, limit: RateLimit, waitMs: number): ProblemError {
  const detail = `More requests than the ${limit.requestsPerSecond} per second that are taken ${whose}.`;
  return new ProblemError({ status: 429, detail }, { 'retry-after': String(Math.ceil(waitMs / 1_000)) });
}

/** Keys stay in memory for a while; the credentials themselves should not. */
function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
