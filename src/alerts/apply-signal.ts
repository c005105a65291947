import type { Alert, Decision } from './alert.ts';
import type { DescribedSignal } from './describe.ts';
import { isOpen } from './lifecycle.ts';

/**
 * How one report changes what we know: the identity and idempotency rules of the
 * service, pure. No request of Grafana or Alertmanager carries a delivery id, so
 * a report is judged by what it says against the row it concerns, and the same
 * report may come again, late, early, or from a twin.
 */

/** What the rules need to know of the stored alert, beside the alert itself. */
export type KnownAlert = Alert & {
  /**
   * What ended before this was not the present episode: the newest start any report of it
   * named, else just after the end its source gave the one before. Null: neither is known,
   * and the time of receipt is no substitute, because senders have clocks of their own.
   */
  latestStartsAt: Date | null;
  /** `expiresAt` is our guess; false: its source said so. */
  expiryGuessed: boolean;
  /** When we heard that it ended; null while open, and when nobody said so (its source's word ran out). */
  resolveReceivedAt: Date | null;
  /** When the report behind the present status arrived. */
  receivedAt: Date;
};

export type SignalEffect =
  /** A new row. */
  | { kind: 'created'; decision: Decision }
  /** Firing again after a resolve: the same row, a new episode, told once anew. */
  | { kind: 'refired'; decision: Decision }
  /** Still firing and something people see changed (severity, title, whether they see it at all). */
  | { kind: 'changed'; decision: Decision }
  /** Still firing: seen once more, nothing to tell. */
  | { kind: 'repeated'; decision: Decision }
  | { kind: 'resolved'; decision: Decision }
  /** Nothing changes. */
  | { kind: 'ignored'; decision: Decision };

/**
 * A firing report with the start of an episode that ended less than this ago was
 * sent before the resolve and came after it (retry, second path, HA twin):
 * Alertmanager peers wait 15 s for each other, so a minute covers three of them.
 */
const overtakenWithinMs = 60_000;

/** A sender's clock may be ahead of ours by so much. A start beyond that is none: no end would ever come after it. */
const clocksDifferByMs = 60_000;

/** @param receivedAt when the report had arrived in full. */
export function judgeSignal(
  known: KnownAlert | undefined,
  signal: DescribedSignal,
  receivedAt: Date,
): SignalEffect {
  return signal.status === 'firing' ? judgeFiring(known, signal, receivedAt) : judgeResolved(known, signal);
}

function judgeFiring(known: KnownAlert | undefined, signal: DescribedSignal, receivedAt: Date): SignalEffect {
  const start = isToCome(signal.startsAt, receivedAt)
    ? '; the start it names is still to come and is not believed'
    : '';
  if (known === undefined) return effect('created', `first report of this fingerprint${start}`);
  if (isOpen(known.status)) {
    const changes = visibleChanges(known, signal);
    if (changes.length > 0)
      return effect('changed', `reported firing again with another ${changes.join(' and ')}`);
    if (known.staleAt !== null)
      return effect('changed', `heard of again; it was silent since ${known.lastSeenAt.toISOString()}`);
    return effect('repeated', 'already open: counted, nothing to tell');
  }
  if (overtookItsResolve(known, signal, receivedAt)) {
    return effect('ignored', 'a firing report of the episode that just ended arrived after its resolve');
  }
  return effect('refired', `firing again after it was resolved: episode ${known.episode + 1}${start}`);
}

function judgeResolved(known: KnownAlert | undefined, signal: DescribedSignal): SignalEffect {
  if (known === undefined)
    return effect('ignored', 'a resolve of an alert that was never seen firing opens nothing');
  if (!isOpen(known.status)) return effect('ignored', 'already resolved');
  if (known.latestStartsAt !== null && endedBefore(signal, known.latestStartsAt)) {
    return effect('ignored', 'a late resolve: it ended before the present episode began');
  }
  const why = signal.stateReason === null ? '' : ` (its source says: ${signal.stateReason})`;
  return effect('resolved', `reported resolved by its source${why}`);
}

function effect(kind: SignalEffect['kind'], reason: string): SignalEffect {
  return { kind, decision: { stage: 'dedup', outcome: kind, reason } };
}

function overtookItsResolve(known: KnownAlert, signal: DescribedSignal, receivedAt: Date): boolean {
  if (signal.startsAt === null || known.latestStartsAt === null || known.resolveReceivedAt === null)
    return false;
  const sinceResolveMs = receivedAt.getTime() - known.resolveReceivedAt.getTime();
  return signal.startsAt.getTime() <= known.latestStartsAt.getTime() && sinceResolveMs < overtakenWithinMs;
}

function isToCome(startsAt: Date | null, receivedAt: Date): boolean {
  return startsAt !== null && startsAt.getTime() - receivedAt.getTime() > clocksDifferByMs;
}

/** The start a report names, if it can be one. */
function namedStart(signal: DescribedSignal, receivedAt: Date): Date | null {
  return isToCome(signal.startsAt, receivedAt) ? null : signal.startsAt;
}

function endedBefore(signal: DescribedSignal, episodeStart: Date): boolean {
  if (signal.endsAt !== null) return signal.endsAt.getTime() < episodeStart.getTime();
  return signal.startsAt !== null && signal.startsAt.getTime() < episodeStart.getTime();
}

function visibleChanges(known: KnownAlert, signal: DescribedSignal): string[] {
  const changes: string[] = [];
  if (!known.severityPinned && known.severity !== signal.severity) changes.push('severity');
  if (known.title !== signal.title) changes.push('title');
  // What was stored in silence has to be told from now on, or the other way round.
  if (known.mute !== signal.mute) changes.push('audience');
  return changes;
}

/** The row as it is after the effect. `id` names a created row. */
export function applySignal(
  known: KnownAlert | undefined,
  signal: DescribedSignal,
  effectKind: Exclude<SignalEffect['kind'], 'ignored'>,
  context: { id: string; source: Alert['source']; receivedAt: Date; incidentStillOpen: boolean },
): KnownAlert {
  if (known === undefined) return created(signal, context);
  if (effectKind === 'resolved') return resolved(known, signal, context.receivedAt);
  const seen = seenAgain(known, signal, context.receivedAt);
  if (effectKind !== 'refired') return seen;
  const startsAt = namedStart(signal, context.receivedAt);
  return {
    ...seen,
    status: 'firing',
    severity: signal.severity,
    severityPinned: false,
    episode: known.episode + 1,
    // An incident that is still open for other alerts takes it back; a closed one does not reopen.
    incidentId: context.incidentStillOpen ? known.incidentId : null,
    startsAt: startsAt ?? context.receivedAt,
    latestStartsAt: startsAt ?? afterSaidEnd(known),
    receivedAt: context.receivedAt,
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    resolvedBy: null,
    resolveReceivedAt: null,
    updatedAt: context.receivedAt,
  };
}

/** Just after the end of an episode, where its sender said when that was: an end that we dated ourselves says nothing of the sender's clock. */
function afterSaidEnd(known: KnownAlert): Date | null {
  const { resolvedAt, resolveReceivedAt } = known;
  if (resolvedAt === null || resolveReceivedAt === null || resolvedAt >= resolveReceivedAt) return null;
  return new Date(resolvedAt.getTime() + 1);
}

function created(
  signal: DescribedSignal,
  context: { id: string; source: Alert['source']; receivedAt: Date },
): KnownAlert {
  const startsAt = namedStart(signal, context.receivedAt);
  return {
    id: context.id,
    source: context.source,
    tenant: signal.tenant,
    fingerprint: signal.fingerprint,
    correlationId: context.id,
    severity: signal.severity,
    severityPinned: false,
    status: 'firing',
    title: signal.title,
    description: signal.description,
    namespace: signal.namespace,
    labels: signal.labels,
    annotations: signal.annotations,
    links: signal.links,
    values: signal.values,
    stateReason: signal.stateReason,
    mute: signal.mute,
    foldKey: signal.foldKey,
    incidentId: null,
    traceId: signal.traceId,
    traceIds: signal.traceIds,
    occurrences: 1,
    episode: 1,
    role: 'standalone',
    primaryId: null,
    assignedTo: null,
    startsAt: startsAt ?? context.receivedAt,
    latestStartsAt: startsAt,
    expiresAt: signal.expiresAt,
    expiryGuessed: signal.expiryGuessed ?? false,
    receivedAt: context.receivedAt,
    lastSeenAt: context.receivedAt,
    staleAt: null,
    createdAt: context.receivedAt,
    updatedAt: context.receivedAt,
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    resolvedBy: null,
    resolveReceivedAt: null,
  };
}

/** Firing once more: the newest text wins, the start moves back but never forward, a person's severity stays. */
function seenAgain(known: KnownAlert, signal: DescribedSignal, receivedAt: Date): KnownAlert {
  const visible = known.staleAt !== null || visibleChanges(known, signal).length > 0;
  const startsAt = namedStart(signal, receivedAt);
  return {
    ...known,
    severity: known.severityPinned ? known.severity : signal.severity,
    title: signal.title,
    description: signal.description,
    namespace: signal.namespace,
    labels: signal.labels,
    annotations: signal.annotations,
    links: signal.links,
    values: signal.values,
    stateReason: signal.stateReason,
    mute: signal.mute,
    foldKey: signal.foldKey,
    traceId: signal.traceId ?? known.traceId,
    traceIds: signal.traceIds.length > 0 ? signal.traceIds : known.traceIds,
    occurrences: known.occurrences + 1,
    startsAt: startsAt === null ? known.startsAt : earlier(known.startsAt, startsAt),
    latestStartsAt:
      startsAt === null || known.latestStartsAt === null
        ? (startsAt ?? known.latestStartsAt)
        : later(known.latestStartsAt, startsAt),
    ...expiry(known, signal),
    lastSeenAt: later(known.lastSeenAt, receivedAt),
    staleAt: null,
    updatedAt: visible ? receivedAt : known.updatedAt,
  };
}

/**
 * As Alertmanager merges two reports of one alert (alert/alert.go, Merge): of two ends
 * that were said the later holds, and a guess brings none forward. What was only guessed
 * gives way to whatever the newer report says.
 */
function expiry(known: KnownAlert, signal: DescribedSignal): Pick<KnownAlert, 'expiresAt' | 'expiryGuessed'> {
  const { expiresAt, expiryGuessed } = known;
  const isSooner = expiresAt !== null && signal.expiresAt !== null && signal.expiresAt < expiresAt;
  if (isSooner && !expiryGuessed) return { expiresAt, expiryGuessed };
  return { expiresAt: signal.expiresAt, expiryGuessed: signal.expiryGuessed ?? false };
}

function resolved(known: KnownAlert, signal: DescribedSignal, receivedAt: Date): KnownAlert {
  return {
    ...known,
    status: 'resolved',
    // A bare "it is over" takes nothing away from what was said while it fired.
    annotations: Object.keys(signal.annotations).length > 0 ? signal.annotations : known.annotations,
    values: signal.values,
    stateReason: signal.stateReason,
    expiresAt: null,
    expiryGuessed: false,
    staleAt: null,
    resolvedAt: signal.endsAt === null ? receivedAt : earlier(signal.endsAt, receivedAt),
    resolvedBy: null,
    resolveReceivedAt: receivedAt,
    lastSeenAt: later(known.lastSeenAt, receivedAt),
    updatedAt: receivedAt,
    receivedAt,
  };
}

function earlier(a: Date, b: Date): Date {
  return a.getTime() <= b.getTime() ? a : b;
}

function later(a: Date, b: Date): Date {
  return a.getTime() >= b.getTime() ? a : b;
}
