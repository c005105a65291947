import type { Verification } from '../alerts/source.ts';
import type { ChatInteraction } from './chat-desk.ts';

/** What the chat sends: clicks and dialogs, commands, and what happened by itself. */
export type ChatDeliveryKind = 'interaction' | 'command' | 'event';

/** The exact bytes of an HTTP body; or, where a socket brought it, the payload as it was in the envelope. */
export type ChatContent = Buffer | { payload: unknown };

/**
 * The port to what the chat sends us: checked and read, nothing more. It is
 * stored and answered by `receive.ts`, whichever way it came.
 */
export interface ChatDoor {
  /** Over the exact bytes of an HTTP request. `reason` is safe to show. */
  verify(request: {
    headers: Record<string, string | string[] | undefined>;
    rawBody: Buffer;
    nowMs: number;
  }): Verification;
  readInteraction(content: ChatContent): ReadInteraction;
  readCommand(content: ChatContent): ReadCommand;
  readEvent(content: ChatContent): ReadEvent;
}

export type ReadInteraction =
  /** `dedupKey` is the same for every delivery of one click. */
  | { kind: 'interaction'; interaction: ChatInteraction; dedupKey: string }
  /** Nothing to do; `answer` is what the chat has to be told with the acknowledgement. */
  | { kind: 'ignored'; reason: string; answer: Record<string, unknown> | null }
  | { kind: 'refused'; reason: string };

export type ReadCommand =
  | { kind: 'answer'; answer: Record<string, unknown> | null }
  | { kind: 'refused'; reason: string };

export type ReadEvent =
  | { kind: 'answer'; answer: Record<string, unknown> }
  /** `news`: something became of a place; `usable` when it can be written to again for sure, `lost` when perhaps no more. */
  | {
      kind: 'event';
      eventId: string;
      event: Record<string, unknown>;
      news: { channelId: string; usable: boolean; lost?: boolean } | null;
    }
  | { kind: 'ignored'; reason: string }
  | { kind: 'refused'; reason: string };
