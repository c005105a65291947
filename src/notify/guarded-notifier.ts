import type { Breaker, Verdict } from '../lib/breaker.ts';
import type { FindsPosted, Notifier, NotifyFailure, NotifyFailureReason } from './notifier.ts';

/**
 * A notifier behind a circuit breaker: while its vendor is down, or accepts nothing
 * from us at all, calls answer `held` at once instead of running into timeouts.
 */
export function guardNotifier<T extends Notifier & Partial<FindsPosted>>(notifier: T, breaker: Breaker): T {
  const guarded = async <R extends { ok: true }>(
    call: () => Promise<R | NotifyFailure>,
    verdicts: Record<NotifyFailureReason, Verdict> = sending,
  ): Promise<R | NotifyFailure> => {
    const ran = await breaker.run(call, (result) =>
      result.ok
        ? { verdict: 'ok' }
        : { verdict: verdicts[result.reason], detail: `${result.code}: ${result.detail}` },
    );
    return ran.held ? held(breaker, ran.retryAfterMs) : ran.result;
  };
  const { findPosted } = notifier;
  return {
    ...notifier,
    post: (message, signal) => guarded(() => notifier.post(message, signal)),
    edit: (message, signal) => guarded(() => notifier.edit(message, signal)),
    ...(findPosted !== undefined && {
      findPosted: (search: Parameters<typeof findPosted>[0], signal?: AbortSignal) =>
        guarded(() => findPosted(search, signal), looking),
    }),
  };
}

function held(breaker: Breaker, retryAfterMs: number): NotifyFailure {
  const detail = `not tried, because the calls before it failed: ${breaker.detail}`;
  return { ok: false, reason: 'held', code: 'circuit_open', detail, retryAfterMs };
}

/** Refusals of one message, one place or one method are answers: the vendor is there. */
const sending: Record<NotifyFailureReason, Verdict> = {
  'rate-limited': 'ok',
  unavailable: 'failed',
  unknown: 'failed',
  channel: 'ok',
  app: 'fatal',
  auth: 'fatal',
  payload: 'ok',
  gone: 'ok',
  held: 'ok',
};

/** Reading needs permissions that sending does not. */
const looking: Record<NotifyFailureReason, Verdict> = { ...sending, app: 'ok' };
