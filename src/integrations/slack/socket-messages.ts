import * as z from 'zod';
import type { ChatDeliveryKind } from '../../chat/chat-door.ts';

/** What Slack sends instead of an HTTP request; it is answered by an acknowledgement with the same id. */
export type SlackEnvelope = {
  id: string;
  kind: ChatDeliveryKind;
  /** What would be in the HTTP body. */
  payload: unknown;
  /** Whether the acknowledgement may carry something: a command's answer, a dialog's errors. */
  takesAnswer: boolean;
  /** How often it was sent before; only events are sent again. */
  retryAttempt: number;
};

export type SocketMessage =
  /** From now on envelopes come. */
  | { kind: 'hello' }
  /** The connection is about to end: `warning`, `refresh_requested`, `link_disabled`, `too_many_websockets`. */
  | { kind: 'disconnect'; reason: string }
  | { kind: 'envelope'; envelope: SlackEnvelope }
  /** Nothing we know; with an id it is to be acknowledged all the same. */
  | { kind: 'other'; envelopeId: string | null; detail: string };

const kinds: Record<string, ChatDeliveryKind> = {
  interactive: 'interaction',
  slash_commands: 'command',
  events_api: 'event',
};

const messageShape = z.object({
  type: z.string(),
  reason: z.string().optional().catch(undefined),
  envelope_id: z.string().min(1).optional(),
  payload: z.unknown().optional(),
  accepts_response_payload: z.boolean().catch(false),
  retry_attempt: z.number().catch(0),
});

/** Reads one message of Socket Mode (https://docs.slack.dev/apis/events-api/using-socket-mode). */
export function readSocketMessage(data: unknown): SocketMessage {
  const other = (detail: string, envelopeId: string | null = null): SocketMessage => ({
    kind: 'other',
    envelopeId,
    detail,
  });
  if (typeof data !== 'string') return other('a message of Slack is not text');
  let content: unknown;
  try {
    content = JSON.parse(data);
  } catch {
    return other('a message of Slack is not JSON');
  }
  const parsed = messageShape.safeParse(content);
  if (!parsed.success) return other(`unreadable message of Slack: ${z.prettifyError(parsed.error)}`);
  const { type, reason, envelope_id: id, payload } = parsed.data;
  if (type === 'hello') return { kind: 'hello' };
  if (type === 'disconnect') return { kind: 'disconnect', reason: (reason ?? 'unnamed').slice(0, 50) };
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (kind === undefined || id === undefined)
    return other(`nothing here answers a ${type.slice(0, 50)}`, id ?? null);
  const { accepts_response_payload: takesAnswer, retry_attempt: retryAttempt } = parsed.data;
  return { kind: 'envelope', envelope: { id, kind, payload, takesAnswer, retryAttempt } };
}
