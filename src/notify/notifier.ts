import type { AlertCard, TextMessage } from './message.ts';

/**
 * The port for everything that tells people. It answers what became of a call,
 * it never retries: only the dispatcher does (`deliver.ts`), because only the
 * ledger knows what is still wanted.
 */
export interface Notifier {
  readonly name: string;
  /**
   * Posts a new message. `notificationId` travels with it, so that it can be found
   * again after an unknown outcome. With `thread` it is a reply to that message,
   * which `broadcast` shows in the channel as well.
   */
  post(
    message: { channel: string; card: MessageContent; notificationId: string; thread?: ThreadPlace },
    signal: AbortSignal,
  ): Promise<NotifyResult>;
  /** Brings an existing message to the state of the card. Safe to repeat. */
  edit(
    message: { channelId: string; messageId: string; card: MessageContent; notificationId: string },
    signal: AbortSignal,
  ): Promise<NotifyResult>;
}

export type MessageContent = AlertCard | TextMessage;

export type ThreadPlace = { messageId: string; broadcast: boolean };

export type NotifyResult =
  /** `channelId` is the vendor's id of the place, `messageId` of the message: both are needed to edit it. */
  { ok: true; channelId: string; messageId: string } | NotifyFailure;

export type NotifyFailure = {
  ok: false;
  reason: NotifyFailureReason;
  /** The period the vendor asked for; absent when it named none. */
  retryAfterMs?: number;
  /** The vendor's own code, short, without secrets: "channel_not_found". */
  code: string;
  /** For people: what to do about it. */
  detail: string;
};

/**
 * - `rate-limited`: refused for now, surely not applied.
 * - `unavailable`: surely not applied; try again later.
 * - `unknown`: may have been applied (timeout, reset, 5xx): look before posting again.
 * - `channel`: this place cannot be written to until somebody changes it.
 * - `app`: the app lacks a scope or permission.
 * - `auth`: the token is not accepted at all.
 * - `payload`: the message itself is refused; the same again would be refused again.
 * - `gone`: the message to edit is not there or not ours.
 * - `held`: not tried, because the vendor failed too often just now: no attempt, and no word of the vendor.
 */
export type NotifyFailureReason =
  | 'rate-limited'
  | 'unavailable'
  | 'unknown'
  | 'channel'
  | 'app'
  | 'auth'
  | 'payload'
  | 'gone'
  | 'held';

/** `threadId`: it was a reply in the thread of that message. `until`: it was surely not posted later. */
export type PostedSearch = {
  channel: string;
  notificationId: string;
  since: Date;
  until?: Date;
  threadId?: string;
};

/** For notifiers that can look for a message whose posting had an unknown outcome. */
export interface FindsPosted {
  /** `channel`: the vendor's id of the place or, where it is not known yet, what was posted to. `null` when the message is surely not there. */
  findPosted(
    search: PostedSearch,
    signal?: AbortSignal,
  ): Promise<{ ok: true; found: { channelId: string; messageId: string } | null } | NotifyFailure>;
}

/** For notifiers whose places can be looked at without writing to them. */
export interface ChecksChannels {
  /**
   * Whether a place can be posted to, as far as looking tells. A failure says that
   * looking did not tell: only a message will.
   * @param place `channelId`: where an earlier message learned it. `code`: of the
   * refusal after which one looks; null when nothing was refused.
   */
  checkChannel(
    place: { channel: string; channelId: string | null; code: string | null },
    signal: AbortSignal,
  ): Promise<ChannelCheck | NotifyFailure>;
}

export type ChannelCheck =
  | { ok: true; usable: true; channelId: string }
  /** `code` and `detail` as those of a failed post. */
  | { ok: true; usable: false; channelId: string | null; code: string; detail: string };
