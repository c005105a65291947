import type { ChatContent } from '../../chat/chat-door.ts';
import { escapeMrkdwn } from './slack-text.ts';

/** The slash command the app is installed with. */
export const slashCommand = '/gomon';

/** What can follow the slash command. Help and manifest are made from this table. */
export const subcommands: readonly { name: string; usage: string; summary: string }[] = [
  { name: 'help', usage: 'help', summary: 'show what can be typed here' },
];

export type SlackCommand = {
  kind: 'command';
  /** `/gomon` */
  command: string;
  /** The first word, in lower case; `help` when nothing was typed. */
  name: string;
  /** The words after it. */
  words: string[];
  userId: string;
  userName: string;
  channelId: string;
  responseUrl: string | null;
  triggerId: string;
};

/** A refusal is for bodies that are no command: answered 400 with the reason. */
export type ParsedCommand = SlackCommand | { kind: 'ssl-check' } | { kind: 'refused'; reason: string };

export type CommandAnswer = { response_type: 'ephemeral'; text: string };

/**
 * Reads a slash command
 * (https://docs.slack.dev/interactivity/implementing-slash-commands). The body of
 * its request URL is a flat form; an envelope of Socket Mode holds an object with
 * the same fields.
 */
export function parseCommand(content: ChatContent): ParsedCommand {
  const fields = fieldsOf(content);
  const field = (name: string): string | null => {
    const value = fields.get(name);
    return typeof value === 'string' ? value : null;
  };
  if (field('ssl_check') === '1') return { kind: 'ssl-check' };
  const required = (name: string): string => field(name) ?? '';
  const missing = ['command', 'user_id', 'channel_id'].filter((name) => required(name) === '');
  if (missing.length > 0) return { kind: 'refused', reason: `form fields missing: ${missing.join(', ')}` };
  const [name = '', ...words] = required('text').trim().split(/\s+/);
  return {
    kind: 'command',
    command: required('command'),
    name: name === '' ? 'help' : name.toLowerCase(),
    words,
    userId: required('user_id'),
    userName: field('user_name') ?? required('user_id'),
    channelId: required('channel_id'),
    responseUrl: field('response_url'),
    triggerId: field('trigger_id') ?? '',
  };
}

function fieldsOf(content: ChatContent): { get(name: string): unknown } {
  if (Buffer.isBuffer(content)) return new URLSearchParams(content.toString('utf8'));
  const { payload } = content;
  return new Map(typeof payload === 'object' && payload !== null ? Object.entries(payload) : []);
}

/** What to answer; only the person who typed it sees it. */
export function answerCommand(command: SlackCommand): CommandAnswer {
  const known = subcommands.some(({ name }) => name === command.name);
  const shown = escapeMrkdwn(command.name.slice(0, 50));
  const text = known ? helpText(command.command) : `I do not know “${shown}”.\n${helpText(command.command)}`;
  return { response_type: 'ephemeral', text };
}

export function helpText(command: string = slashCommand): string {
  const name = escapeMrkdwn(command);
  return [
    'What can be typed here:',
    ...subcommands.map(({ usage, summary }) => `• \`${name} ${usage}\` – ${summary}`),
  ].join('\n');
}
