import { setTimeout as wait } from 'node:timers/promises';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { cardWithoutDatabase, type CardLinks } from '../notify/card.ts';
import type { FindsPosted, Notifier, NotifyResult } from '../notify/notifier.ts';
import { routeAlert, type Routing } from '../notify/route.ts';
import type { DispatchEvent } from '../observability/events.ts';
import { OutageSummary } from './outage-summary.ts';
import type { SpoolFolder } from './spool-folder.ts';
import type { ToldFact } from './told.ts';

/**
 * Tells people of P0 and P1 while the database is away: one message each, without
 * the ledger. What is about to be posted is noted beside the request first, and what
 * came of it afterwards, so that the ledger can take the messages over. A storm gets
 * the first few messages of a channel and one line for the rest; their cards follow
 * when the database is back.
 */
export type OutageTellerOptions = {
  notifier: Notifier & Partial<FindsPosted>;
  routing: Routing;
  links: CardLinks;
  folder: SpoolFolder;
  clock: Clock;
  pace: { burst: number; perSecond: number };
  observe: (event: DispatchEvent) => void;
};

export type News = { id: string; index: number; alert: KnownAlert };

/** Posts under way at once. */
const atOnce = 5;
/** More than these wait their turn in no outage: they would be told later than their cards come. */
const mostWaiting = 2_000;
/** A message whose answer was lost shows up within seconds; so often it is looked for before it is posted again. */
const lookAfterMs = 3_000;
const looks = 2;
/** A send that does not end in this time when the database is back is left to the ledger to look for. */
const patienceMs = 2_000;

export class OutageTeller {
  readonly #options: OutageTellerOptions;
  readonly #summary: OutageSummary;
  readonly #budgets = new Map<string, { tokens: number; atMs: number }>();
  readonly #underWay = new Set<Promise<void>>();
  #waiting: News[] = [];
  #pause = new AbortController();

  constructor(options: OutageTellerOptions) {
    this.#options = options;
    this.#summary = new OutageSummary(options);
  }

  tell(news: News[]): void {
    for (const one of news) {
      const { channel } = routeAlert(one.alert, this.#options.routing);
      if (this.#waiting.length < mostWaiting && this.#take(channel)) this.#waiting.push(one);
      else this.#summary.add(channel);
    }
    this.#begin();
  }

  /** Posts nothing more; resolves when what was under way has ended, or was given up as not known. */
  async hold(): Promise<void> {
    this.#waiting = [];
    const giveUp = setTimeout(() => this.#pause.abort(), patienceMs);
    this.#stopWaits.abort();
    await Promise.allSettled([...this.#underWay, this.#summary.hold(this.#pause.signal)]);
    clearTimeout(giveUp);
    this.#pause = new AbortController();
    this.#stopWaits = new AbortController();
    this.#budgets.clear();
  }

  /** After the database came back: the lines for the rest have had their time. */
  async finish(signal: AbortSignal): Promise<void> {
    await this.#summary.finish(signal);
  }

  /** Ends pauses between tries, but not sends. */
  #stopWaits = new AbortController();

  #begin(): void {
    while (this.#underWay.size < atOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const work = this.#post(next)
        .catch((error: unknown) => this.#options.observe({ kind: 'trouble', error }))
        .finally(() => {
          this.#underWay.delete(work);
          this.#begin();
        });
      this.#underWay.add(work);
    }
  }

  async #post({ id, index, alert }: News): Promise<void> {
    const { folder, notifier, routing, links, clock } = this.#options;
    const { channel } = routeAlert(alert, routing);
    const notificationId = newId();
    const note = (fact: ToldFact): Promise<void> => folder.note(id, fact);
    const card = cardWithoutDatabase(alert, links);
    const { signal: held } = this.#stopWaits;
    const { signal } = this.#pause;
    for (let tries = 0; !held.aborted; tries += 1) {
      const at = clock.now();
      await note({ fact: 'posting', notificationId, index, channel, at: at.toISOString() });
      const sent = await notifier.post({ channel, card, notificationId }, signal);
      const result =
        !sent.ok && sent.reason === 'unknown' ? await this.#lookFor(notificationId, channel, at, sent) : sent;
      if (result.ok) {
        const { channelId, messageId } = result;
        await note({ fact: 'posted', notificationId, channelId, messageId });
        const latencyMs = clock.now().getTime() - alert.receivedAt.getTime();
        return this.#options.observe({ kind: 'posted', channel, severity: alert.severity, latencyMs });
      }
      const { reason, code, detail } = result;
      this.#options.observe({ kind: 'failed', channel, reason, code, detail });
      if (reason === 'unknown') return;
      await note({ fact: 'refused', notificationId });
      // A channel, a token or a card that is refused is left to the ledger, which knows other ways.
      if (reason !== 'rate-limited' && reason !== 'unavailable' && reason !== 'held') return;
      const pauseMs = Math.max(backoffMs(tries), result.retryAfterMs ?? 0);
      await wait(pauseMs, undefined, { signal: held }).catch(() => undefined);
    }
  }

  /** `unavailable` when it surely is not there and may be posted again. */
  async #lookFor(
    notificationId: string,
    channel: string,
    since: Date,
    unknown: NotifyResult,
  ): Promise<NotifyResult> {
    const { notifier } = this.#options;
    if (notifier.findPosted === undefined) return unknown;
    const { signal: held } = this.#stopWaits;
    for (let look = 0; look < looks; look += 1) {
      await wait(lookAfterMs, undefined, { signal: held }).catch(() => undefined);
      if (held.aborted) return unknown;
      const answer = await notifier.findPosted({ channel, notificationId, since }, this.#pause.signal);
      if (!answer.ok) return unknown;
      if (answer.found !== null) return { ok: true, ...answer.found };
    }
    return {
      ok: false,
      reason: 'unavailable',
      code: 'not_found',
      detail: 'it was looked for and is not there',
    };
  }

  #take(channel: string): boolean {
    const { burst, perSecond } = this.#options.pace;
    const atMs = performance.now();
    const budget = this.#budgets.get(channel) ?? { tokens: burst, atMs };
    const tokens = Math.min(burst, budget.tokens + ((atMs - budget.atMs) / 1_000) * perSecond);
    this.#budgets.set(channel, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs });
    return tokens >= 1;
  }
}
