import type { Breaker, Verdict } from '../lib/breaker.ts';
import type { IncidentProvider, ProviderFailure } from './provider.ts';

/**
 * A provider behind a circuit breaker: while it is down, or does not accept our key,
 * calls answer `held` at once instead of running into timeouts.
 */
export function guardProvider<T extends IncidentProvider>(provider: T, breaker: Breaker): T {
  const guarded = async <R extends { ok: true }>(
    call: () => Promise<R | ProviderFailure>,
  ): Promise<R | ProviderFailure> => {
    const ran = await breaker.run(call, (result) =>
      result.ok
        ? { verdict: 'ok' }
        : { verdict: verdicts[result.reason], detail: `${result.code}: ${result.detail}` },
    );
    return ran.held ? held(breaker, ran.retryAfterMs) : ran.result;
  };
  const identify = provider.identify?.bind(provider);
  const hasNote = provider.hasNote?.bind(provider);
  const listNotes = provider.listNotes?.bind(provider);
  const listOpen = provider.listOpen?.bind(provider);
  return {
    ...provider,
    ...(identify && {
      identify: (externalId: string, signal: AbortSignal) => guarded(() => identify(externalId, signal)),
    }),
    ...(hasNote && {
      hasNote: (...[ref, note, signal]: Parameters<typeof hasNote>) =>
        guarded(() => hasNote(ref, note, signal)),
    }),
    ...(listNotes && {
      listNotes: (...[ref, signal]: Parameters<typeof listNotes>) => guarded(() => listNotes(ref, signal)),
    }),
    ...(listOpen && { listOpen: (signal: AbortSignal) => guarded(() => listOpen(signal)) }),
    submit: (command, signal) => guarded(() => provider.submit(command, signal)),
    requestStatus: (request, signal) => guarded(() => provider.requestStatus(request, signal)),
    read: (ref, signal) => guarded(() => provider.read(ref, signal)),
  };
}

function held(breaker: Breaker, retryAfterMs: number): ProviderFailure {
  const detail = `not tried, because the calls before it failed: ${breaker.detail}`;
  return { ok: false, reason: 'held', code: 'circuit_open', detail, retryAfterMs };
}

/** A refusal of one command is an answer: the vendor is there. */
const verdicts: Record<ProviderFailure['reason'], Verdict> = {
  'rate-limited': 'ok',
  unavailable: 'failed',
  unknown: 'failed',
  auth: 'fatal',
  rejected: 'ok',
  held: 'ok',
};
