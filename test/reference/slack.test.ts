import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockKitViolations } from '../../src/integrations/slack/block-kit-violations.ts';
import { createCardRenderer } from '../../src/integrations/slack/card-renderer.ts';
import { bareSampleCard, fullSampleCard } from '../../src/integrations/slack/card-samples.ts';
import { parseCommand } from '../../src/integrations/slack/commands.ts';
import { parseEvent } from '../../src/integrations/slack/events.ts';
import { parseInteraction } from '../../src/integrations/slack/interactions.ts';
import { slackManifest } from '../../src/integrations/slack/manifest.ts';
import type { AlertCard } from '../../src/notify/message.ts';

const root = process.env['GOMON_REFERENCE_DATA'];
const folder = root === undefined || root === '' ? undefined : join(root, 'slack');
const read = (...path: string[]): string => readFileSync(join(folder ?? '', ...path), 'utf8');

describe.skipIf(folder === undefined)("the reference collection of Slack's payloads", () => {
  const names =
    folder === undefined ? [] : readdirSync(join(folder, 'payloads')).filter((name) => name !== 'INDEX.json');
  const starting = (prefix: string, ending = '.json'): string[] =>
    names.filter((name) => name.startsWith(prefix) && name.endsWith(ending));
  const form = (payload: unknown): Buffer =>
    Buffer.from(new URLSearchParams({ payload: JSON.stringify(payload) }).toString());

  it('is there', () => {
    expect(names.length).toBeGreaterThan(50);
  });

  it.each(
    [
      'block_actions',
      'view_submission',
      'view_closed',
      'shortcut',
      'message_action',
      'block_suggestion',
    ].flatMap((kind) => starting(kind)),
  )('%s is somebody else’s, and ignored', (name) => {
    expect(parseInteraction(form(JSON.parse(read('payloads', name))))).toMatchObject({
      ok: true,
      interaction: { kind: 'ignored' },
    });
  });

  it.each(starting('block_actions'))('%s would be understood with a button of ours', (name) => {
    const payload = JSON.parse(read('payloads', name)) as { actions: object[] };
    const [action] = payload.actions;
    const parsed = parseInteraction(
      form({ ...payload, actions: [{ ...action, action_id: 'alert_resolve', value: 'alert-1' }] }),
    );
    // Also from where there is no message: our page in the app, a dialog.
    expect(parsed).toMatchObject({ ok: true, interaction: { kind: 'button', alertId: 'alert-1' } });
  });

  it.each(starting('event.'))('%s is an event', (name) => {
    const payload = JSON.parse(read('payloads', name)) as { event: { type: string }; event_id: string };
    expect(parseEvent(Buffer.from(JSON.stringify(payload)))).toMatchObject({
      kind: 'event',
      eventType: payload.event.type,
      eventId: payload.event_id,
    });
  });

  it.each(starting('url_verification'))('%s is a challenge', (name) => {
    expect(parseEvent(Buffer.from(read('payloads', name)))).toMatchObject({ kind: 'challenge' });
  });

  it.each(starting('slash_command', '.form.txt'))('%s is a command', (name) => {
    expect(parseCommand(Buffer.from(read('payloads', name).trim()))).toMatchObject({
      kind: 'command',
      command: expect.stringMatching(/^\//),
    });
  });
});

describe.skipIf(folder === undefined)("Slack's limits", () => {
  type Limits = Record<string, Record<string, unknown>>;
  const limits = folder === undefined ? {} : (JSON.parse(read('blockkit', 'limits.json')) as Limits);
  const limit = (name: string, key: string): number => {
    const entry = limits[name]?.[key];
    const value = typeof entry === 'object' && entry !== null && 'max' in entry ? entry.max : entry;
    if (typeof value !== 'number') throw new Error(`limits.json says nothing of ${name}.${key}`);
    return value;
  };
  const long = '<&`*💥 '.repeat(2_000);
  const cards: Record<string, AlertCard> = {
    full: fullSampleCard,
    bare: bareSampleCard,
    resolved: { ...fullSampleCard, status: 'resolved', actions: [] },
    huge: {
      ...fullSampleCard,
      status: 'firing',
      title: long,
      description: long,
      namespace: long,
      stateReason: long,
      labels: Array.from({ length: 60 }, () => ({ name: long, value: long })),
      rules: Array.from({ length: 60 }, () => ({ title: long, status: 'firing' as const })),
      links: Array.from({ length: 60 }, () => ({
        rel: 'runbook' as const,
        url: `https://x.example/${'&'.repeat(2_900)}`,
      })),
    },
    datasource: { ...fullSampleCard, status: 'firing', kind: 'datasource' },
  };

  it.each(Object.keys(cards))('hold for a card that is %s', (name) => {
    const card = cards[name] ?? fullSampleCard;
    const message = createCardRenderer().render(card);
    expect(blockKitViolations(message)).toEqual([]);
    expect(message.text.length).toBeLessThanOrEqual(limit('message', 'text_on_update'));
    expect(message.blocks.length).toBeLessThanOrEqual(limit('message', 'blocks'));
    const check = (node: unknown): void => {
      if (Array.isArray(node)) return node.forEach(check);
      if (typeof node !== 'object' || node === null) return;
      const { type, text, fields, elements, value, url, accessibility_label, block_id, action_id } =
        node as Record<string, unknown>;
      const list = (part: unknown): unknown[] => (Array.isArray(part) ? part : []);
      const length = (part: unknown): number =>
        String((part as { text?: string } | undefined)?.text ?? part ?? '').length;
      if (type === 'header') expect(length(text)).toBeLessThanOrEqual(limit('header.text', 'max'));
      if (type === 'section') {
        expect(length(text)).toBeLessThanOrEqual(limit('section.text', 'max'));
        expect(list(fields).length).toBeLessThanOrEqual(limit('section.fields', 'max'));
        for (const field of list(fields)) {
          expect(length(field)).toBeLessThanOrEqual(limit('section.fields', 'item_max'));
        }
      }
      if (type === 'context' || type === 'actions') {
        expect(list(elements).length).toBeLessThanOrEqual(limit(`${type}.elements`, 'max'));
      }
      if (type === 'button') {
        expect(length(text)).toBeLessThanOrEqual(limit('button', 'text'));
        expect(length(value)).toBeLessThanOrEqual(limit('button', 'value'));
        expect(length(url)).toBeLessThanOrEqual(limit('button', 'url'));
        expect(length(accessibility_label)).toBeLessThanOrEqual(limit('button', 'accessibility_label'));
      }
      expect(length(block_id)).toBeLessThanOrEqual(limit('block_id', 'max'));
      expect(length(action_id)).toBeLessThanOrEqual(limit('action_id', 'max'));
      Object.values(node).forEach(check);
    };
    check(message.blocks);
  });

  it('hold for the app manifest', () => {
    const manifest = slackManifest({ url: 'https://gomon.example.com' }) as {
      display_information: { name: string; description: string };
      features: {
        bot_user: { display_name: string };
        slash_commands: { command: string; description: string; usage_hint: string }[];
      };
      settings: { event_subscriptions: { bot_events: string[] } };
    };
    const { display_information, features, settings } = manifest;
    expect(display_information.name.length).toBeLessThanOrEqual(35);
    expect(display_information.description.length).toBeLessThanOrEqual(140);
    expect(features.bot_user.display_name.length).toBeLessThanOrEqual(80);
    expect(features.slash_commands.length).toBeLessThanOrEqual(50);
    for (const { command, description, usage_hint } of features.slash_commands) {
      expect(command.length).toBeLessThanOrEqual(32);
      expect(description.length).toBeLessThanOrEqual(2_000);
      expect(usage_hint.length).toBeLessThanOrEqual(1_000);
    }
    expect(settings.event_subscriptions.bot_events.length).toBeLessThanOrEqual(100);
  });
});
