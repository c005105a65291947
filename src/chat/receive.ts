import { storeInbound } from '../db/inbound-store.ts';
import type { Db } from '../db/pool.ts';
import { priorities } from '../jobs/catalog.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../observability/log.ts';
import type { ChatContent, ChatDeliveryKind, ChatDoor } from './chat-door.ts';

export type ReceiveDependencies = { db: Db; door: ChatDoor; clock: Clock; log: Log };

export type Received =
  /** Stored, or nothing to store. `answer` goes back with the acknowledgement, null for an empty one. */
  | { ok: true; answer: Record<string, unknown> | null }
  /** Not what this door takes; the same again would be refused again. */
  | { ok: false; reason: string };

/**
 * Takes in what the chat sent, whether over HTTP or a socket: read, stored with
 * the job that works it off, and only then to be acknowledged. A second delivery
 * of the same finds the first by its key, also when it came the other way.
 * Throws when it cannot be stored; nothing must be acknowledged then.
 */
export async function receive(
  deps: ReceiveDependencies,
  kind: ChatDeliveryKind,
  content: ChatContent,
): Promise<Received> {
  switch (kind) {
    case 'interaction':
      return receiveInteraction(deps, content);
    case 'command': {
      const read = deps.door.readCommand(content);
      return read.kind === 'refused' ? { ok: false, reason: read.reason } : { ok: true, answer: read.answer };
    }
    case 'event':
      return receiveEvent(deps, content);
    default:
      return kind satisfies never;
  }
}

async function receiveInteraction(deps: ReceiveDependencies, content: ChatContent): Promise<Received> {
  const read = deps.door.readInteraction(content);
  if (read.kind === 'refused') return { ok: false, reason: read.reason };
  if (read.kind === 'ignored') {
    deps.log.debug({ reason: read.reason }, 'chat interaction ignored');
    return { ok: true, answer: read.answer };
  }
  const { dedupKey, interaction: payload } = read;
  await storeInbound(
    deps.db,
    { kind: 'slack.interaction', dedupKey, payload, receivedAt: deps.clock.now() },
    (eventId) => ({ task: 'slack.interaction', payload: { eventId }, priority: priorities.interaction }),
  );
  return { ok: true, answer: null };
}

async function receiveEvent(deps: ReceiveDependencies, content: ChatContent): Promise<Received> {
  const read = deps.door.readEvent(content);
  switch (read.kind) {
    case 'refused':
      return { ok: false, reason: read.reason };
    case 'answer':
      return { ok: true, answer: read.answer };
    case 'ignored':
      deps.log.debug({ reason: read.reason }, 'chat event ignored');
      return { ok: true, answer: null };
    case 'event': {
      const event = { kind: 'slack.event', dedupKey: read.eventId, payload: read.event };
      const { news } = read;
      await storeInbound(deps.db, { ...event, receivedAt: deps.clock.now() }, () =>
        news === null ? null : { task: 'channel.news', payload: news, priority: priorities.urgent },
      );
      return { ok: true, answer: null };
    }
    default:
      return read satisfies never;
  }
}
