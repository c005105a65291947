import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from './problem.ts';

/**
 * A token bucket per API token, or per address where none is sent. For people and
 * their tools only: sources are held by backpressure (503), because their senders
 * give up on 429, and health checks are never refused.
 */
export type RateLimit = { requestsPerSecond: number; burst: number };

/** More callers than this at once start over with full buckets: memory stays bounded. */
const mostBuckets = 10_000;

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Takes one request; answers how long to wait when there is none left, else 0. */
  take(key: string, nowMs: number): number {
    const { requestsPerSecond, burst } = this.#limit;
    if (this.#buckets.size >= mostBuckets && !this.#buckets.has(key)) this.#buckets.clear();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const refilled = bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1_000) * requestsPerSecond;
    const tokens = Math.min(burst, refilled);
    this.#buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    return tokens >= 1 ? 0 : ((1 - tokens) / requestsPerSecond) * 1_000;
  }
}

/** Holds the routes of this scope to the limit. */
export function limitRate(scope: FastifyInstance, limit: RateLimit, nowMs: () => number): void {
  const limiter = new RateLimiter(limit);
  scope.addHook('onRequest', (request, _reply, done) => {
    const { authorization } = request.headers;
    const key = authorization === undefined ? `address:${request.ip}` : hash(authorization);
    const waitMs = limiter.take(key, nowMs());
    if (waitMs === 0) return done();
    done(
      new ProblemError(
        {
          status: 429,
          detail: `More than ${limit.requestsPerSecond} requests per second (and a burst of ${limit.burst}) came from this caller.`,
        },
        { 'retry-after': String(Math.ceil(waitMs / 1_000)) },
      ),
    );
  });
}

/** Keys stay in memory for a while; the credentials themselves should not. */
function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
