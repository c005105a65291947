import { describe, expect, it } from 'vitest';
import { answerCommand, parseCommand, subcommands } from './commands.ts';
import type { SlackCommand } from './commands.ts';

const form = {
  token: 'legacy',
  team_id: 'T0001',
  channel_id: 'C0001',
  channel_name: 'ops',
  user_id: 'U0ANN00001',
  user_name: 'ann',
  command: '/gomon',
  text: '  Help   me now ',
  response_url: 'https://hooks.slack.com/commands/T0001/1/x',
  trigger_id: '1.2.x',
};
const parse = (fields: Record<string, string>) =>
  parseCommand(Buffer.from(new URLSearchParams(fields).toString()));
function command(text: string): SlackCommand {
  const parsed = parse({ ...form, text });
  if (parsed.kind !== 'command') throw new Error(parsed.kind);
  return parsed;
}

describe('a slash command', () => {
  it('is read word by word', () => {
    expect(parse(form)).toEqual({
      kind: 'command',
      command: '/gomon',
      name: 'help',
      words: ['me', 'now'],
      userId: 'U0ANN00001',
      userName: 'ann',
      channelId: 'C0001',
      responseUrl: 'https://hooks.slack.com/commands/T0001/1/x',
      triggerId: '1.2.x',
    });
  });

  it.each(['help', '', '   ', 'HELP'])('answers "%s" with every subcommand, to that person only', (text) => {
    const answer = answerCommand(command(text));
    expect(answer.response_type).toBe('ephemeral');
    for (const { usage } of subcommands) expect(answer.text).toContain(`/gomon ${usage}`);
    expect(answer.text).not.toContain('do not know');
  });

  it('answers an unknown word with help, and cannot be made to mention anybody', () => {
    const { text } = answerCommand(command('<!channel>'));
    expect(text).toContain('I do not know “&lt;!channel&gt;”');
    expect(text).toContain('/gomon help');
  });

  it('is the same over the socket', () => {
    expect(parseCommand({ payload: form })).toEqual(parse(form));
    expect(parseCommand({ payload: { ...form, text: 5, response_url: null } })).toMatchObject({
      kind: 'command',
      name: 'help',
      responseUrl: null,
    });
  });

  it.each([[undefined], [null], ['x'], [[]], [{}]])('over the socket as %j is none', (payload) => {
    expect(parseCommand({ payload })).toMatchObject({ kind: 'refused' });
  });

  it('tells a certificate check from a command', () => {
    expect(parse({ ssl_check: '1', token: 'legacy' })).toEqual({ kind: 'ssl-check' });
    expect(parse({ ...form, ssl_check: '0' }).kind).toBe('command');
  });

  it('names what is missing', () => {
    expect(parse({ text: 'help' })).toEqual({
      kind: 'refused',
      reason: 'form fields missing: command, user_id, channel_id',
    });
  });
});
