import { createHash } from 'node:crypto';
import { persist } from '../db/persist.ts';
import type { Db } from '../db/pool.ts';
import { fromStorable } from '../db/text.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { DispatchEvent } from '../observability/events.ts';
import { afterLook } from './after-look.ts';
import { buildCards, type CardLinks } from './card.ts';
import {
  type ChannelState,
  knownChannelId,
  markDead,
  markUsable,
  postponeEdits,
  probeEveryMs,
  troubledChannels,
} from './channel-store.ts';
import { channelOfLane, noticeLane, postLane } from './lanes.ts';
import {
  awaitCard,
  cardPurpose,
  moveClaimed,
  type Notification,
  parentsOf,
  pauseLane,
  recordSend,
  resumeAll,
} from './ledger.ts';
import { moveLine } from './move-line.ts';
import type {
  ChecksChannels,
  FindsPosted,
  MessageContent,
  Notifier,
  NotifyFailure,
  NotifyResult,
  ThreadPlace,
} from './notifier.ts';
import { afterSend, isLine, type NextState, unchanged } from './outcome.ts';
import { findPlaces, type Place } from './place.ts';
import { type StandIns, standInFor } from './stand-in.ts';
import { VendorPulse } from './vendor-pulse.ts';

/**
 * Sends claimed messages. Reads what they are about as it is now, and posts, edits
 * or skips. What changed while a send was under way makes the row due again, so the
 * last state always wins and states in between are never sent late.
 */
export type SenderOptions = {
  db: Db;
  notifier: Notifier & Partial<FindsPosted & ChecksChannels>;
  links: CardLinks;
  clock: Clock;
  standIns: StandIns | null;
  observe: (event: DispatchEvent) => void;
  /** Ends sends that do not end by themselves while the service stops. */
  giveUp: AbortSignal;
};

/** A line whose card is not settled looks again so often; the card wakes it before. */
const cardAwaitedMs = 30_000;
/** What should make people look waits no longer for the mere edit of a card that is there. */
const urgentAwaitsEditMs = 15_000;
/** What a vendor applies late shows up within this time. */
const longestApplyMs = 600_000;
/** Others take a claim for left behind when it is 45 s old, and a send before it took up to 10 s. */
const claimHoldsMs = 30_000;
/** A message refused in its place is in hand while its channel is looked at. */
const lookTimeoutMs = 5_000;

type Begun = { row: Notification; work: Promise<void> };
type Context = {
  contents: Map<string, MessageContent>;
  /** The cards that lines belong to, by the line's id. */
  parents: Map<string, Notification>;
  places: Map<string, Place>;
  /** Channels in trouble, or just out of it. */
  states: Map<string, ChannelState>;
};

export class Sender {
  readonly #options: SenderOptions;
  readonly #pulse = new VendorPulse();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** The calls before all failed for the vendor's sake: it may be worth looking before anything is due. */
  get vendorIsDown(): boolean {
    return this.#pulse.isDown;
  }

  /** A message that cannot be read must not hold those that were claimed with it: each is then tried by itself. */
  async begin(due: Notification[]): Promise<Begun[]> {
    let context: Context;
    try {
      context = await this.#read(due);
    } catch (error) {
      const [first, ...others] = due;
      if (first === undefined) return [];
      if (others.length === 0) return [{ row: first, work: this.#giveBack(first, error) }];
      const begun: Begun[] = [];
      for (const row of due) begun.push(...(await this.begin([row])));
      return begun;
    }
    return due.map((row) => ({ row, work: this.#send(row, context) }));
  }

  /** A post whose answer was lost: adopt the message if it is there, post again only when it surely is not. */
  async lookFor(row: Notification): Promise<void> {
    const { db, notifier, clock, observe } = this.#options;
    // Being looked for it was claimed for a while; what comes of it counts from now.
    const claimed = { ...row, due_at: clock.now() };
    if (notifier.findPosted === undefined) return this.#record(claimed, afterLook(row, null));
    const parent = isLine(row) ? (await parentsOf(db, [row])).get(row.id) : undefined;
    const place = channelOfLane(row.lane) ?? row.channel;
    const channelId =
      row.channel_id ?? parent?.channel_id ?? (await knownChannelId(db, row.notifier, place)) ?? place;
    const since = row.attempted_at ?? row.created_at;
    const until = new Date(since.getTime() + longestApplyMs);
    const answer = await notifier.findPosted(
      {
        channel: channelId,
        notificationId: row.id,
        since,
        ...(until < clock.now() && { until }),
        ...(typeof parent?.message_id === 'string' && { threadId: parent.message_id }),
      },
      this.#options.giveUp,
    );
    await this.#heard(answer);
    if (answer.ok && answer.found !== null) observe({ kind: 'adopted', channel: row.channel });
    await this.#record(claimed, afterLook(row, answer));
  }

  async #read(due: Notification[]): Promise<Context> {
    const { db, notifier, standIns, links } = this.#options;
    const cards = due.filter((row) => row.purpose === cardPurpose);
    const posts = due.filter((row) => row.message_id === null && !isLine(row));
    const contents = new Map<string, MessageContent>(await buildCards(db, cards, links));
    for (const { id, content } of due)
      if (content !== null) contents.set(id, { kind: 'text', text: fromStorable(content.text) });
    const states =
      standIns === null ? new Map<string, ChannelState>() : await troubledChannels(db, notifier.name);
    return {
      contents,
      parents: await parentsOf(db, due.filter(isLine)),
      places:
        standIns === null || posts.length === 0
          ? new Map<string, Place>()
          : await findPlaces(db, { notifier: notifier.name, standIns, states }, posts),
      states,
    };
  }

  /** Nothing was sent, so nothing has to be looked for. */
  async #giveBack(row: Notification, error: unknown): Promise<void> {
    this.#options.observe({ kind: 'trouble', error });
    await this.#record(row, {
      ...unchanged(row),
      attempts: row.attempts + 1,
      delayMs: backoffMs(row.attempts),
      lastError: 'what it is about could not be read',
    });
  }

  async #send(row: Notification, context: Context): Promise<void> {
    const content = context.contents.get(row.id);
    if (content === undefined) {
      return this.#record(row, {
        ...unchanged(row),
        state: 'failed',
        lastError: 'its alert is not there any more',
      });
    }
    if (isLine(row)) return this.#sendLine(row, content, context);
    const place = context.places.get(row.id);
    switch (place?.kind) {
      case 'told':
        return this.#supersede(row, `told in ${place.channel} already`);
      case 'nowhere':
        // It keeps its turn: the channel is looked at once a minute.
        return this.#record(row, { ...unchanged(row), lane: ownLane(row), pauseLaneMs: probeEveryMs });
      case 'elsewhere':
        if (!place.isTrial) return this.#record(row, { ...unchanged(row), lane: place.lane });
        await moveClaimed(this.#options.db, row, place.lane);
        return this.#deliver({ ...row, lane: place.lane }, content, place.channel, context);
      case 'here':
      case undefined:
        return this.#deliver(row, content, place?.channel ?? placeOf(row), context);
      default:
        return place satisfies never;
    }
  }

  async #deliver(
    row: Notification,
    content: MessageContent,
    channel: string,
    context: Context,
  ): Promise<void> {
    const { observe, standIns, db, clock } = this.#options;
    const cardHash = hashOf(content);
    if (row.message_id !== null && row.card_hash === cardHash) {
      observe({ kind: 'skipped', channel: row.channel });
      return this.#record(row, { ...unchanged(row), state: 'sent', attempts: 0, lastError: null });
    }
    const result = await this.#call(row, content, channel);
    this.#report(row, content, result);
    const next = afterSend(row, result, cardHash);
    if (standIns === null || result.ok) {
      if (result.ok) await this.#proveUsable(row, channel, result.channelId, context);
      return this.#record(row, next);
    }
    if (next.channelIsDead && row.message_id === null) {
      const channelId = await knownChannelId(db, row.notifier, channel);
      await this.#channelDied(row, { channel, channelId }, result, standIns);
      // Where it goes now is found when it is claimed next, which is at once.
      return this.#record(row, { ...next, delayMs: 0 });
    }
    if (next.channelIsDead) {
      const lost = await this.#lookAtPlace(row, { channel, channelId: row.channel_id }, result, context);
      if (lost === 'replaced')
        return this.#record(row, afterSend(row, { ...result, reason: 'gone' }, cardHash));
    }
    await this.#record(row, next);
    if (result.reason === 'channel' && row.channel_id !== null && row.message_id !== null) {
      await postponeEdits(db, row.notifier, row.channel_id, new Date(clock.now().getTime() + next.delayMs));
    }
  }

  /** What a channel in trouble takes shows that it is well: a post for sure, an edit where it was said to be well already. */
  async #proveUsable(
    row: Notification,
    channel: string,
    channelId: string,
    { states }: Context,
  ): Promise<void> {
    const { db, standIns, clock, observe } = this.#options;
    const state = states.get(channel)?.state;
    const isProof = row.message_id === null ? state !== undefined : state === 'recovering';
    if (!isProof || standIns === null) return;
    const usable = { notifier: row.notifier, channel, channelId, proved: true };
    // Failing here must not cost what was sent: the next message proves it as well.
    await markUsable(db, usable, standIns, clock.now()).catch((error: unknown) =>
      observe({ kind: 'trouble', error }),
    );
  }

  /**
   * An edit or a line was refused in the place where its message is. That place may be
   * dead; or it is well and another now (deleted and made anew), and only the message is lost.
   */
  async #lookAtPlace(
    row: Notification,
    place: { channel: string; channelId: string | null },
    refusal: NotifyFailure,
    { states }: Context,
  ): Promise<'dead' | 'replaced' | 'well'> {
    const { notifier, standIns, giveUp } = this.#options;
    if (standIns === null) return 'well';
    if (states.get(place.channel)?.state === 'dead') return 'dead';
    const patience = AbortSignal.any([giveUp, AbortSignal.timeout(lookTimeoutMs)]);
    const found = await notifier.checkChannel?.({ ...place, code: refusal.code }, patience);
    if (found?.ok === true && found.usable) return found.channelId === place.channelId ? 'well' : 'replaced';
    await this.#channelDied(row, place, found?.ok === true ? found : refusal, standIns);
    return 'dead';
  }

  async #channelDied(
    row: Notification,
    { channel, channelId }: { channel: string; channelId: string | null },
    { code, detail }: { code: string; detail: string },
    standIns: StandIns,
  ): Promise<void> {
    const { db, clock, observe } = this.#options;
    const { notifier } = row;
    const isNew = await markDead(db, { notifier, channel, channelId, code, detail }, standIns, clock.now());
    if (isNew) observe({ kind: 'channel', channel, state: 'dead', code, detail });
  }

  async #sendLine(row: Notification, content: MessageContent, context: Context): Promise<void> {
    const { clock, observe } = this.#options;
    const parent = context.parents.get(row.id);
    if (row.expires_at !== null && row.expires_at <= clock.now())
      return this.#supersede(row, 'too late to be news');
    if (parent === undefined || !isThere(parent))
      return this.#supersede(row, 'its card is not there any more');
    const { channel_id: channelId, message_id: messageId } = parent;
    const isPosted = channelId !== null && messageId !== null;
    const channel = placeOf(parent);
    if (isPosted && context.states.get(channel)?.state === 'dead') return this.#tellElsewhere(row, parent);
    const until = this.#awaitsCardUntil(row, parent, isPosted);
    if (!isPosted || until !== null) return this.#awaitCard(row, until ?? clock.now());
    const thread = { messageId, broadcast: row.content?.broadcast === true };
    const result = await this.#call({ ...row, channel_id: null }, content, channelId, thread);
    if (result.ok) observe({ kind: 'line', channel: row.channel });
    else this.#report(row, content, result);
    const next = afterSend(row, result, hashOf(content));
    if (result.ok) await this.#proveUsable(row, channel, channelId, context);
    if (!result.ok && next.channelIsDead) {
      const lost = await this.#lookAtPlace(row, { channel, channelId }, result, context);
      if (lost === 'dead') return this.#tellElsewhere(row, parent);
      if (lost === 'replaced') return this.#supersede(row, 'its card is not there any more');
    }
    await this.#record(row, next);
  }

  /** A line comes after the state it tells of, and not into the thread of a message that turns out to be deleted. Null: it need not wait. */
  #awaitsCardUntil(row: Notification, parent: Notification, isPosted: boolean): Date | null {
    const now = this.#options.clock.now();
    if (!['due', 'sending', 'unknown'].includes(parent.state)) return null;
    const until = new Date(now.getTime() + cardAwaitedMs);
    if (!isPosted || row.content?.broadcast !== true) return until;
    const longest = new Date(row.created_at.getTime() + urgentAwaitsEditMs);
    if (longest <= now) return null;
    return longest < until ? longest : until;
  }

  async #awaitCard(row: Notification, until: Date): Promise<void> {
    const { db, clock, giveUp } = this.#options;
    await persist(() => awaitCard(db, row, until, clock.now()), { withinMs: claimHoldsMs, signal: giveUp });
  }

  /** Its card's channel is dead. What should make people look is told in the stand-in; all else waits, and is left out when it is no news any more. */
  async #tellElsewhere(row: Notification, parent: Notification): Promise<void> {
    const { db, standIns, clock } = this.#options;
    const channel = placeOf(parent);
    const wait = {
      ...unchanged(row),
      delayMs: probeEveryMs,
      lastError: `channel: ${channel} cannot be posted to`,
    };
    const isUrgent = row.content?.broadcast === true && !parent.closed;
    const standIn = standIns === null || !isUrgent ? null : standInFor(channel, row.priority, standIns);
    if (standIn === null || (await troubledChannels(db, row.notifier)).get(standIn)?.state === 'dead')
      return this.#record(row, wait);
    const moved = await moveLine(db, { line: row, card: parent, to: standIn }, clock.now());
    if (moved === null) return this.#supersede(row, `told in ${standIn} already`);
    await this.#record(row, { ...unchanged(row), lane: moved.lane });
  }

  async #supersede(row: Notification, why: string): Promise<void> {
    this.#options.observe({ kind: 'superseded', channel: row.channel });
    await this.#record(row, { ...unchanged(row), state: 'superseded', lastError: why });
  }

  async #call(
    row: Notification,
    card: MessageContent,
    channel: string,
    thread?: ThreadPlace,
  ): Promise<NotifyResult> {
    const { notifier } = this.#options;
    const message = { card, notificationId: row.id };
    // A send that has begun may finish also while stopping: its outcome would be unknown otherwise.
    const signal = this.#options.giveUp;
    const result =
      row.message_id === null || row.channel_id === null
        ? await notifier.post({ ...message, channel, ...(thread !== undefined && { thread }) }, signal)
        : await notifier.edit({ ...message, channelId: row.channel_id, messageId: row.message_id }, signal);
    await this.#heard(result);
    return result;
  }

  /** Delays that grew while the vendor was away are not waited out. */
  async #heard(result: { ok: true } | NotifyFailure): Promise<void> {
    const { db, notifier, clock, observe } = this.#options;
    if (!this.#pulse.note(result)) return;
    // Failing here must not cost what the call itself did: all goes on by itself, only later.
    await resumeAll(db, notifier.name, clock.now()).catch((error: unknown) =>
      observe({ kind: 'trouble', error }),
    );
  }

  #report(row: Notification, content: MessageContent, result: NotifyResult): void {
    const { observe, clock } = this.#options;
    const channel = channelOfLane(row.lane) ?? row.sent_to ?? row.channel;
    if (!result.ok) {
      const { reason, code, detail } = result;
      // Whoever holds calls back says so once; each held call is no news.
      if (reason !== 'held') observe({ kind: 'failed', channel, reason, code, detail });
      return;
    }
    if (row.message_id !== null || row.posted_at !== null) return observe({ kind: 'edited', channel });
    if (content.kind === 'text') return observe({ kind: 'notice', channel });
    const latencyMs = clock.now().getTime() - row.received_at.getTime();
    observe({ kind: 'posted', channel, severity: content.severity, latencyMs });
  }

  async #record(row: Notification, next: NextState): Promise<void> {
    const { db, clock } = this.#options;
    const now = clock.now();
    const firstPost = row.posted_at === null && next.messageId !== null;
    // What was sent is known nowhere else: a database that is away just now gets it when it is back.
    const write = async (): Promise<void> => {
      // Before the row is due again: it must not go out in between.
      if (next.pauseLaneMs !== null)
        await pauseLane(db, next.lane, new Date(now.getTime() + next.pauseLaneMs));
      const dueAt =
        next.state === 'due' && next.delayMs === 0 ? row.due_at : new Date(now.getTime() + next.delayMs);
      await recordSend(
        db,
        row,
        {
          state: next.state,
          lane: next.lane,
          dueAt,
          attempts: next.attempts,
          reposts: next.reposts,
          channelId: next.channelId,
          messageId: next.messageId,
          sentTo: next.sentTo,
          cardHash: next.cardHash,
          lastError: next.lastError,
          postedAt: firstPost ? now : row.posted_at,
        },
        now,
      );
    };
    await persist(write, { withinMs: claimHoldsMs, signal: this.#options.giveUp });
  }
}

/** A card that is gone for good, or was never taken, has no thread. */
function isThere({ state, message_id: messageId, last_error: lastError }: Notification): boolean {
  if (state === 'superseded') return false;
  return state !== 'failed' || (messageId !== null && lastError?.startsWith('gone:') !== true);
}

/** Where a message is, or would be, as configured. */
function placeOf(row: Notification): string {
  return row.sent_to ?? row.channel;
}

function ownLane(row: Notification): string {
  return row.purpose === cardPurpose ? postLane(row.channel) : noticeLane(row.channel);
}

function hashOf(content: MessageContent): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url');
}
