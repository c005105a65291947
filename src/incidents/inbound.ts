import type { Db } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { Clock } from '../lib/clock.ts';
import { applyProviderState } from './apply-provider-state.ts';
import { confirmOpening } from './confirm.ts';
import { handleGone, youngMs } from './gone.ts';
import { finishEvents, providerEventsJob, type StoredEvent, waitingEvents } from './inbound-events.ts';
import { pauseMs, pauseProvider, providerPausedUntil } from './provider-pause.ts';
import { takeOverNotes } from './provider-notes.ts';
import type { IncidentProvider, ProviderFailure } from './provider.ts';
import { type WhoseEvents, whoseEvents } from './whose-events.ts';

/**
 * Works off what the provider told of one thing. A message is a hint: it says whose
 * it is and who did it; how things are is read from the provider then. What cannot
 * be read yet is parked and tried again with growing waits, for some minutes: what
 * is lost after that the comparison of all open incidents finds (`reconcile.ts`).
 */
export type InboundDependencies = {
  db: Db;
  provider: IncidentProvider;
  clock: Clock;
  observe: (outcome: 'applied' | 'nothing-new' | 'not-ours' | 'parked' | 'given-up', detail: string) => void;
};

const givenUpAfterMs = 15 * 60_000;
/** How long an incident may be without its id there before it is looked for by our mark. */
const unknownIdForMs = 5 * 60_000;

export async function handleProviderEvents(
  deps: InboundDependencies,
  subject: string,
  signal: AbortSignal,
): Promise<void> {
  const { db, provider, clock } = deps;
  const events = await waitingEvents(db, provider.name, subject);
  if (events.length === 0) return;
  const pausedUntil = await providerPausedUntil(db, provider.connectionId, clock.now());
  if (pausedUntil !== null) {
    return comeBack(deps, subject, pausedUntil.getTime() - clock.now().getTime());
  }
  const whose = await whoseEvents(deps, subject, events, signal);
  if (whose.kind === 'not-ours') return done(deps, events, 'not-ours', whose.why);
  if (whose.kind === 'failed') return later(deps, subject, events, whose.failure);
  if (whose.kind === 'later') return park(deps, subject, events, whose.why);
  const { incident } = whose;
  // Notes are in the message itself and nowhere else so handy: they wait for nothing.
  await takeOverNotes(db, incident.id, events, 'webhook', provider.name, clock.now());
  const opening = incident.externalId === null && whose.opening;
  let { externalId } = incident;
  if (opening) {
    // The echo of the opening itself: what it says, our own request will say with more certainty.
    if (whose.identifiedAs === null && events.every((event) => event.kind === 'create'))
      return done(deps, events, 'applied', 'it is being opened');
    const there = await idThere(deps, whose, subject, signal);
    if (!there.ok) return later(deps, subject, events, there);
    ({ externalId } = there);
    const waitingMs = clock.now().getTime() - oldest(events).getTime();
    if (externalId === null && waitingMs < unknownIdForMs)
      return park(deps, subject, events, 'it is still being opened');
  }
  const readAt = clock.now();
  const state = await provider.read({ incidentId: incident.id, externalId }, signal);
  if (!state.ok) return later(deps, subject, events, state);
  // What became of our request is told late or never: that it is there is known all the same.
  if (opening && state.found && state.externalId !== null) {
    const { externalUrl } = state;
    const found = { externalId: state.externalId, externalUrl };
    await confirmOpening(db, provider, incident.id, found, clock.now());
  }
  if (!state.found) {
    // Unless somebody says that it was deleted.
    const isYoung = clock.now().getTime() - incident.createdAt.getTime() < youngMs;
    if (isYoung && !events.some((event) => event.kind === 'delete'))
      return park(deps, subject, events, 'it is not found yet');
    const outcome = await handleGone(db, incident.id, provider.name, clock.now());
    return done(deps, events, 'applied', `gone there: ${outcome}`);
  }
  const applied = await applyProviderState(
    db,
    { provider: provider.name, incidentId: incident.id, state, readAt, events, repair: false },
    clock.now(),
  );
  if (applied.unsure.length > 0)
    return park(deps, subject, events, `older than our last word on ${applied.unsure.join(', ')}`);
  deps.observe(applied.here.length > 0 ? 'applied' : 'nothing-new', applied.here.join(', '));
}

/** Under which id the thing that an event told of stands for the incident; null while the provider does not say that it does. */
async function idThere(
  { provider }: InboundDependencies,
  whose: Extract<WhoseEvents, { kind: 'ours' }>,
  subject: string,
  signal: AbortSignal,
): Promise<{ ok: true; externalId: string | null } | ProviderFailure> {
  if (whose.identifiedAs !== null) return { ok: true, externalId: whose.identifiedAs };
  if (provider.identify === undefined) return { ok: true, externalId: null };
  const answer = await provider.identify(subject, signal);
  if (!answer.ok) return answer;
  const isOurs = answer.found && answer.incidentId === whose.incident.id;
  return { ok: true, externalId: isOurs ? answer.externalId : null };
}

function oldest(events: StoredEvent[]): Date {
  return events[0]?.receivedAt ?? new Date(0);
}

async function done(
  deps: InboundDependencies,
  events: StoredEvent[],
  outcome: 'applied' | 'not-ours' | 'given-up',
  detail: string,
): Promise<void> {
  const ids = events.map((event) => event.id);
  const text =
    outcome === 'not-ours' ? `not ours: ${detail}` : outcome === 'given-up' ? `given up: ${detail}` : detail;
  await finishEvents(deps.db, ids, text, deps.clock.now());
  deps.observe(outcome, detail);
}

async function later(
  deps: InboundDependencies,
  subject: string,
  events: StoredEvent[],
  failure: ProviderFailure,
): Promise<void> {
  const now = deps.clock.now();
  if (failure.reason === 'rate-limited') {
    const until = new Date(now.getTime() + pauseMs(failure));
    await pauseProvider(deps.db, deps.provider.connectionId, until, now);
    return comeBack(deps, subject, pauseMs(failure));
  }
  if (failure.reason === 'held') return comeBack(deps, subject, Math.max(failure.retryAfterMs ?? 0, 1_000));
  return park(deps, subject, events, `${failure.reason} ${failure.code}`, failure.retryAfterMs);
}

/** Waits as long again as the newest event has waited so far: 1, 2, 4 … 60 s. */
async function park(
  deps: InboundDependencies,
  subject: string,
  events: StoredEvent[],
  why: string,
  atLeastMs = 1_000,
): Promise<void> {
  const now = deps.clock.now().getTime();
  if (now - oldest(events).getTime() > givenUpAfterMs) return done(deps, events, 'given-up', why);
  const newest = events.at(-1)?.receivedAt ?? new Date(now);
  const waited = Math.max(0, now - newest.getTime());
  deps.observe('parked', why);
  return comeBack(deps, subject, Math.max(Math.min(Math.max(waited, 1_000), 60_000), atLeastMs));
}

async function comeBack(deps: InboundDependencies, subject: string, delayMs: number): Promise<void> {
  await enqueue(deps.db, [providerEventsJob(deps.provider.name, subject, delayMs)]);
}
