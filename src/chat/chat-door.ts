import type { Verification } from '../alerts/source.ts';
import type { ChatInteraction } from './chat-desk.ts';

/**
 * The port to what the chat sends us: checked and read, nothing more. Whoever
 * opens the HTTP door stores it and answers.
 */
export interface ChatDoor {
  /** Over the exact bytes. `reason` is safe to show. */
  verify(request: {
    headers: Record<string, string | string[] | undefined>;
    rawBody: Buffer;
    nowMs: number;
  }): Verification;
  readInteraction(rawBody: Buffer): ReadInteraction;
  readCommand(rawBody: Buffer): ReadCommand;
  readEvent(rawBody: Buffer): ReadEvent;
}

export type ReadInteraction =
  /** `dedupKey` is the same for every delivery of one click. */
  | { kind: 'interaction'; interaction: ChatInteraction; dedupKey: string }
  /** Nothing to do; `answer` is what the chat has to be told with the 200. */
  | { kind: 'ignored'; reason: string; answer: Record<string, unknown> | null }
  | { kind: 'refused'; reason: string };

export type ReadCommand =
  | { kind: 'answer'; answer: Record<string, unknown> | null }
  | { kind: 'refused'; reason: string };

export type ReadEvent =
  | { kind: 'answer'; answer: Record<string, unknown> }
  | { kind: 'event'; eventId: string; event: Record<string, unknown> }
  | { kind: 'ignored'; reason: string }
  | { kind: 'refused'; reason: string };
