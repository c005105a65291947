import type { ChatDoor } from '../../chat/chat-door.ts';
import { answerCommand, parseCommand } from './commands.ts';
import { channelNewsIn, parseEvent } from './events.ts';
import { parseInteraction } from './interactions.ts';
import { verifySlackSignature } from './signature.ts';

/** What Slack sends us. @param settings several secrets while one replaces another; none refuses everything. */
export function createSlackDoor(settings: { signingSecrets: readonly string[] }): ChatDoor {
  return {
    verify: (request) => verifySlackSignature({ ...request, secrets: settings.signingSecrets }),

    readInteraction: (content) => {
      const parsed = parseInteraction(content);
      if (!parsed.ok) return { kind: 'refused', reason: parsed.reason };
      if (parsed.interaction.kind === 'ignored') return parsed.interaction;
      const { dedupKey, ...interaction } = parsed.interaction;
      return { kind: 'interaction', interaction, dedupKey };
    },

    readCommand: (content) => {
      const command = parseCommand(content);
      if (command.kind === 'refused') return command;
      return { kind: 'answer', answer: command.kind === 'ssl-check' ? null : answerCommand(command) };
    },

    readEvent: (content) => {
      const event = parseEvent(content);
      switch (event.kind) {
        case 'challenge':
          return { kind: 'answer', answer: { challenge: event.challenge } };
        case 'event':
          return {
            kind: 'event',
            eventId: event.eventId,
            event: { ...event },
            news: channelNewsIn(event.event, event.ourUserId),
          };
        case 'rate-limited':
          return {
            kind: 'ignored',
            reason: `Slack holds events back since ${event.since?.toISOString() ?? 'now'}`,
          };
        case 'ignored':
        case 'refused':
          return event;
        default:
          return event satisfies never;
      }
    },
  };
}
