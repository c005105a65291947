import { isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { ProblemError, unavailable } from './problem.ts';
import { type RateLimit, RateLimiter, tooMany } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Senders of alerts call this: they give up on 429 (Alertmanager) and come again on 503. */
    takesAlerts?: boolean;
  }
}

/**
 * Holds an address that sends requests without a valid credential: who guesses
 * tokens, floods us with nonsense or loads the open pages. Each refusal takes one
 * from the bucket of its address; when that is empty the answer is 429 (503 on the
 * doors of sources) instead of what it would have been.
 *
 * A valid credential is never held here, whatever else comes from its address:
 * behind a proxy that is not in `server.trustedProxies` everybody has the same one.
 */
export class Strangers {
  readonly #limit: RateLimit;
  readonly #limiter: RateLimiter;
  readonly #nowMs: () => number;

  constructor(limit: RateLimit, nowMs: () => number) {
    this.#limit = limit;
    this.#limiter = new RateLimiter(limit);
    this.#nowMs = nowMs;
  }

  /** Counts one request; answers what to refuse it with, or null while the address keeps to its pace. */
  hold(request: FastifyRequest): ProblemError | null {
    const waitMs = this.#limiter.take(addressKey(request.ip), this.#nowMs());
    if (waitMs === 0) return null;
    if (request.routeOptions.config.takesAlerts === true) {
      const detail =
        'Too many requests without a valid credential came from this address. Nothing was stored; send again.';
      return unavailable(detail, Math.ceil(waitMs / 1_000));
    }
    return tooMany(`from one address without a valid credential`, this.#limit, waitMs);
  }

  /** The error to answer with: a 401 counts, and every other error is passed on. */
  orHold<Failure extends Error>(error: Failure, request: FastifyRequest): Failure | ProblemError {
    const isRefusal = error instanceof ProblemError && error.problem.status === 401;
    return isRefusal ? (this.hold(request) ?? error) : error;
  }
}

/** One subscriber has a whole /64 of IPv6; IPv4 is the same with and without its IPv6 form. */
export function addressKey(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped !== undefined) return mapped;
  const [bare = ip] = ip.split('%');
  if (!isIPv6(bare)) return ip;
  const [head = '', tail] = bare.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
