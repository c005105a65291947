import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { AlertCard } from '../notify/message.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { SpoolFolder } from './spool-folder.ts';

/** One line per channel for the P0 and P1 of an outage that got no message of their own, and its end. */
type Line = { channel: string; count: number; told: number; begun: Promise<void> | null };

/** What comes within this time is counted into the line before it is posted. */
const gatherMs = 1_000;
const prefix = 'summary-';

type SummaryNote = {
  notificationId: string;
  channelId: string;
  messageId: string;
  count: number;
  since: string;
};

export class OutageSummary {
  readonly #options: { notifier: Notifier; folder: SpoolFolder; clock: Clock };
  readonly #lines = new Map<string, Line>();
  #held = new AbortController();

  constructor(options: { notifier: Notifier; folder: SpoolFolder; clock: Clock }) {
    this.#options = options;
  }

  add(channel: string): void {
    const line = this.#lines.get(channel) ?? { channel, count: 0, told: 0, begun: null };
    this.#lines.set(channel, line);
    line.count += 1;
    line.begun ??= this.#post(line).catch(() => undefined);
  }

  /** Begins no more lines; resolves when none is being posted. */
  async hold(giveUp: AbortSignal): Promise<void> {
    this.#held.abort();
    const done = new Promise((resolve) => giveUp.addEventListener('abort', resolve, { once: true }));
    await Promise.race([Promise.allSettled([...this.#lines.values()].map(async (line) => line.begun)), done]);
    this.#lines.clear();
    this.#held = new AbortController();
  }

  /** Brings the lines to their end: also those that an earlier process left. */
  async finish(signal: AbortSignal): Promise<void> {
    const { folder, notifier } = this.#options;
    for (const id of await folder.looseJournals()) {
      const note = (await folder.notes(id)).at(-1) as SummaryNote | undefined;
      if (id.startsWith(prefix) && note !== undefined) {
        const { channelId, messageId, notificationId } = note;
        const card = cardOf(note.count, new Date(note.since), this.#options.clock.now());
        const result = await notifier.edit({ channelId, messageId, notificationId, card }, signal);
        if (!result.ok && ['rate-limited', 'unavailable', 'held', 'unknown'].includes(result.reason))
          continue;
      }
      await folder.remove(id);
    }
  }

  async #post(line: Line): Promise<void> {
    const { notifier, folder, clock } = this.#options;
    const { signal } = this.#held;
    await wait(gatherMs, undefined, { signal });
    const notificationId = newId();
    const since = clock.now();
    const card = cardOf(line.count, since, null);
    const result = await notifier.post({ channel: line.channel, card, notificationId }, signal);
    if (!result.ok) return;
    const { channelId, messageId } = result;
    await folder.note(`${prefix}${notificationId}`, {
      notificationId,
      channelId,
      messageId,
      count: line.count,
      since: since.toISOString(),
    } satisfies SummaryNote);
  }
}

/** A card that stands for alerts which have none yet; nothing can be done with it. */
function cardOf(count: number, since: Date, over: Date | null): AlertCard {
  return {
    alertId: '',
    kind: 'alert',
    title:
      over === null
        ? `${count} or more further P0/P1 alerts arrived while the database is away`
        : 'The database is back: the alerts that waited have messages of their own',
    description: 'They are stored safely; their messages follow when the database is back.',
    severity: 'P0',
    status: over === null ? 'firing' : 'resolved',
    source: 'api',
    namespace: null,
    labels: [],
    startsAt: since,
    silentSince: null,
    resolvedAt: over,
    acknowledgedBy: null,
    acknowledgedAt: null,
    resolvedBy: null,
    assignedTo: null,
    occurrences: count,
    stateReason: null,
    values: [],
    notes: [],
    rules: [],
    incident: null,
    trace: null,
    links: [],
    url: '',
    actions: [],
  };
}
