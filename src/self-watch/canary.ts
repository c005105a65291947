import { setTimeout as wait } from 'node:timers/promises';
import { act } from '../alerts/actions.ts';
import { canaryCaller } from '../alerts/canary-alert.ts';
import { databaseTrouble } from '../db/errors.ts';
import type { Db } from '../db/pool.ts';
import type { IncidentProvider } from '../incidents/provider.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { NotifyFailure } from '../notify/notifier.ts';
import type { CanaryDoor } from './canary-door.ts';
import {
  beginRun,
  type CanaryMessage,
  type CanaryOutcome,
  canaryKey,
  closeLost,
  finishRun,
  forgetMessages,
  forgetRuns,
  inTimeSeconds,
  leftMessages,
  leftOpen,
  messagesOf,
  noteAlert,
} from './canary-store.ts';
import { claimSlot, slotAt } from './slots.ts';

/** Power over messages of our own that only the canary needs. `gone` when it is not there any more. */
export interface RemovesMessages {
  remove(
    message: { channelId: string; messageId: string },
    signal: AbortSignal,
  ): Promise<{ ok: true } | NotifyFailure>;
}

export type CanaryOptions = {
  db: Db;
  clock: Clock;
  intervalMs: number;
  door: CanaryDoor;
  messages: RemovesMessages;
  /** Read once a run, nothing more: a test alert opens no incident. Null where there is none. */
  provider: Pick<IncidentProvider, 'read'> | null;
  observe: (run: { outcome: CanaryOutcome; seconds: number | null; detail: string | null }) => void;
};

/** Longer than that and whoever is paged by a real alert is late as well. */
const notifiedWithinMs = 20_000;
const lookEveryMs = 50;
const providerTimeoutMs = 10_000;
const removeTimeoutMs = 10_000;

/**
 * Sends a test alert on the way that real ones take — our HTTP door, the pipeline, a
 * message in Slack, a question to the incident provider — and sees whether it arrives,
 * and when. One process does it at each turn of the clock. What it leaves behind is
 * taken away by itself or, after a crash, by the next one.
 */
export class Canary {
  readonly #options: CanaryOptions;
  #running = false;
  #seenSlotMs = 0;

  constructor(options: CanaryOptions) {
    this.#options = options;
  }

  /** Runs when a turn has begun that nobody has taken yet. */
  async tick(signal: AbortSignal): Promise<void> {
    const { db, clock, intervalMs } = this.#options;
    const slot = slotAt(clock.now(), intervalMs);
    if (this.#running || slot.getTime() <= this.#seenSlotMs) return;
    this.#running = true;
    try {
      const isOurs = await claimSlot(db, 'canary', slot).catch(ifAway);
      // Without the database there is no turn to take; it is asked again at the next look.
      if (isOurs === null) return;
      this.#seenSlotMs = slot.getTime();
      if (!isOurs) return;
      await this.#tidy(signal);
      await this.#run(signal);
    } finally {
      this.#running = false;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { db, clock, door, intervalMs } = this.#options;
    const id = newId();
    const startedAt = clock.now();
    await beginRun(db, id, startedAt);
    const asked = this.#askProvider(id, signal);
    const sent = await door.send(
      { key: canaryKey(id), endsAt: new Date(startedAt.getTime() + 2 * intervalMs) },
      signal,
    );
    if (!sent.ok) {
      await asked;
      return this.#finish(
        id,
        startedAt,
        { outcome: 'refused', detail: sent.detail, notifiedAt: null },
        signal,
      );
    }
    await noteAlert(db, id, sent.alertId);
    const message = await this.#waitFor(sent.alertId, (one) => one.postedAt !== null, startedAt, signal);
    const trouble = await asked;
    await this.#finish(id, startedAt, judge(startedAt, message, trouble), signal);
    const actor = { userId: canaryCaller, door: 'system' } as const;
    await act(db, sent.alertId, { kind: 'resolve-and-archive', why: 'a test' }, actor, clock.now());
    if (message === null || message.postedAt === null) return;
    const isOver = (one: CanaryMessage): boolean => one.closed && one.state === 'sent';
    const ended = await this.#waitFor(sent.alertId, isOver, clock.now(), signal);
    if (ended !== null && isOver(ended)) await this.#remove([ended], signal);
  }

  async #finish(
    id: string,
    startedAt: Date,
    end: { outcome: CanaryOutcome; detail: string | null; notifiedAt: Date | null },
    signal: AbortSignal,
  ): Promise<void> {
    const { db, clock, observe } = this.#options;
    // That this process stops says nothing about the service.
    const stopped = signal.aborted && end.notifiedAt === null;
    await finishRun(db, id, { ...end, outcome: stopped ? 'stopped' : end.outcome }, clock.now());
    if (stopped) return;
    const seconds = end.notifiedAt === null ? null : secondsBetween(startedAt, end.notifiedAt);
    observe({ outcome: end.outcome, seconds, detail: end.detail });
  }

  /** The message once it is as wanted, or as it is when time is up; null when there is none. */
  async #waitFor(
    alertId: string,
    isWanted: (message: CanaryMessage) => boolean,
    since: Date,
    signal: AbortSignal,
  ): Promise<CanaryMessage | null> {
    const { db, clock } = this.#options;
    for (;;) {
      const messages = await messagesOf(db, alertId);
      const wanted = messages.find(isWanted);
      const late = clock.now().getTime() - since.getTime() > notifiedWithinMs;
      if (wanted !== undefined || late || signal.aborted) return wanted ?? messages[0] ?? null;
      await wait(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Null when it answered. */
  async #askProvider(runId: string, signal: AbortSignal): Promise<string | null> {
    const { provider } = this.#options;
    if (provider === null) return null;
    const within = AbortSignal.any([signal, AbortSignal.timeout(providerTimeoutMs)]);
    const answer = await provider.read({ incidentId: runId, externalId: null }, within);
    return answer.ok ? null : `${answer.reason}: ${answer.code}`;
  }

  /** What earlier runs left behind. */
  async #tidy(signal: AbortSignal): Promise<void> {
    const { db, clock, observe, intervalMs } = this.#options;
    const now = clock.now();
    const lost = await closeLost(db, new Date(now.getTime() - intervalMs - 2 * notifiedWithinMs), now);
    for (let i = 0; i < lost; i += 1)
      observe({ outcome: 'lost', seconds: null, detail: 'its process ended' });
    const actor = { userId: canaryCaller, door: 'system' } as const;
    for (const id of await leftOpen(db))
      await act(db, id, { kind: 'resolve-and-archive', why: 'a test' }, actor, now);
    await this.#remove(await leftMessages(db), signal);
    await forgetRuns(db, now);
  }

  async #remove(messages: CanaryMessage[], signal: AbortSignal): Promise<void> {
    const removed: string[] = [];
    for (const { id, channelId, messageId } of messages) {
      if (channelId === null || messageId === null || signal.aborted) break;
      const within = AbortSignal.any([signal, AbortSignal.timeout(removeTimeoutMs)]);
      const answer = await this.#options.messages.remove({ channelId, messageId }, within);
      if (answer.ok || answer.reason === 'gone') removed.push(id);
      // The others would fare no better now; the next run tries again.
      else break;
    }
    await forgetMessages(this.#options.db, removed);
  }
}

/** Others say often enough that the database is away. */
function ifAway(error: unknown): null {
  if (databaseTrouble(error) === 'unavailable') return null;
  throw error;
}

/** Pure: how a run went. */
export function judge(
  startedAt: Date,
  message: Pick<CanaryMessage, 'postedAt' | 'lastError'> | null,
  providerTrouble: string | null,
): { outcome: CanaryOutcome; detail: string | null; notifiedAt: Date | null } {
  const notifiedAt = message?.postedAt ?? null;
  if (notifiedAt === null) {
    const detail =
      message === null ? 'no message was planned' : (message.lastError ?? 'its message still waits');
    return { outcome: 'not-notified', detail, notifiedAt };
  }
  if (providerTrouble !== null) return { outcome: 'provider', detail: providerTrouble, notifiedAt };
  const isInTime = secondsBetween(startedAt, notifiedAt) <= inTimeSeconds;
  return { outcome: isInTime ? 'ok' : 'late', detail: null, notifiedAt };
}

function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, (to.getTime() - from.getTime()) / 1_000);
}
