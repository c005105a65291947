import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { severities, sourceNames, statuses } from '../../alerts/alert.ts';
import type { AlertCard, CardAction, Person } from '../../notify/message.ts';
import { blockKitViolations } from './block-kit-violations.ts';
import { createCardRenderer } from './card-renderer.ts';
import type { RenderedCard } from './card-renderer.ts';
import { bareSampleCard, fullSampleCard } from './card-samples.ts';

const renderer = createCardRenderer();
const ann: Person = { id: 'user:ann', name: 'Ann Example', slackId: 'U0ANN00001' };
const firing: AlertCard = {
  ...fullSampleCard,
  silentSince: null,
  status: 'firing',
  acknowledgedAt: null,
  acknowledgedBy: null,
  resolvedAt: null,
  resolvedBy: null,
  stateReason: null,
  rules: [],
};
const resolved: AlertCard = { ...fullSampleCard, status: 'resolved', actions: [] };

const all = (card: RenderedCard): string => JSON.stringify(card);
const header = (card: RenderedCard): unknown => card.blocks[0];
function buttons(card: RenderedCard): Record<string, unknown>[] {
  return card.blocks.flatMap((block) =>
    block.type === 'actions' ? (block['elements'] as Record<string, unknown>[]) : [],
  );
}
const ids = (card: RenderedCard): unknown[] => buttons(card).map((button) => button['action_id']);

function mrkdwnOf(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(mrkdwnOf);
  if (typeof node !== 'object' || node === null) return [];
  if ('type' in node && node.type === 'mrkdwn' && 'text' in node) return [String(node.text)];
  return Object.values(node).flatMap(mrkdwnOf);
}

describe('a card in Slack', () => {
  it('says severity, status and title first', () => {
    expect(header(renderer.render(firing))).toMatchObject({
      type: 'header',
      text: { type: 'plain_text', text: 'P1 · Firing · payments-api p99 latency' },
    });
  });

  it('has a text that means the same, in UTC', () => {
    expect(renderer.render(firing).text).toBe(
      'P1 firing: payments-api p99 latency in payments, severity high, reported by Grafana since 2026-03-01 10:00 UTC, ' +
        '3 times. Acknowledged by nobody. Owner: Ann Example. Incident: payments-api is slow (open). ' +
        '99th percentile above 2 s for 5 minutes',
    );
  });

  it('shows dates in the zone of the reader, with UTC to fall back on', () => {
    expect(all(renderer.render(firing))).toContain(
      '<!date^1772359200^{date_short_pretty} {time}|2026-03-01 10:00 UTC>',
    );
  });

  it('offers the actions of the card in its order, and the trace', () => {
    expect(ids(renderer.render(firing))).toEqual([
      'alert_acknowledge',
      'alert_escalate',
      'alert_create_incident',
      'alert_resolve',
      'alert_add_note',
      'alert_trace',
    ]);
    expect(ids(renderer.render({ ...firing, actions: ['resolve', 'escalate'], trace: null }))).toEqual([
      'alert_resolve',
      'alert_escalate',
    ]);
  });

  it('names the alert on every button and leads the trace button out', () => {
    for (const button of buttons(renderer.render(firing))) {
      expect(button['value']).toBe(firing.alertId);
      expect(button['accessibility_label']).toContain('payments-api p99 latency');
    }
    expect(buttons(renderer.render(firing)).at(-1)?.['url']).toBe(firing.trace?.url);
  });

  it.each([
    ['P0', true],
    ['P1', true],
    ['P2', false],
    ['P4', false],
  ] as const)('asks before resolving a %s: %s', (severity, asks) => {
    const resolve = buttons(renderer.render({ ...firing, severity })).find(
      (button) => button['action_id'] === 'alert_resolve',
    );
    expect('confirm' in (resolve ?? {})).toBe(asks);
  });

  it('asks before escalating and before nothing else', () => {
    const asking = buttons(renderer.render({ ...firing, severity: 'P3' })).filter(
      (button) => 'confirm' in button,
    );
    expect(asking.map((button) => button['action_id'])).toEqual(['alert_escalate']);
  });

  it('shrinks when it is resolved: who, when, after how long, no buttons, a plain link to the trace', () => {
    const card = renderer.render(resolved);
    expect(card.blocks.map((block) => block.type)).toEqual(['header', 'section', 'context']);
    expect(ids(card)).toEqual([]);
    expect(all(card)).toMatch(/\*Resolved\* by Ann Example, <!date.*?>, after 12 min/);
    expect(all(card)).toContain('<https://traces.example.com/trace/4bf92f3577b34da6|Trace>');
  });

  it('has no buttons on a resolved card even if the card names some', () => {
    expect(ids(renderer.render({ ...resolved, actions: ['acknowledge'] }))).toEqual([]);
  });

  it('says since when nothing was heard of it, where that is long ago', () => {
    const silent = renderer.render({ ...firing, silentSince: new Date('2026-03-01T10:05:00Z') });
    expect(silent.text).toContain('Not heard of since 2026-03-01 10:05 UTC, it may be over.');
    expect(all(silent)).toContain('*Not heard of* since <!date^1772359500^');
    expect(all(renderer.render(firing))).not.toContain('Not heard of');
  });

  it('says who acknowledged, and why the source changed the state', () => {
    const text = all(renderer.render({ ...resolved, stateReason: 'RuleDeleted' }));
    expect(text).toContain('*Acknowledged* by Ann Example, <!date');
    expect(text).toContain('Grafana resolved it because the rule was deleted');
    expect(all(renderer.render({ ...resolved, stateReason: 'SomethingNew' }))).toContain('SomethingNew');
  });

  it('lists the rules of a broken data source, ten at most', () => {
    const rules = Array.from({ length: 14 }, (_, index) => ({
      title: `rule ${index + 1}`,
      status: 'firing' as const,
    }));
    const text = all(renderer.render({ ...firing, kind: 'datasource', rules }));
    expect(text).toContain('• rule 10\\n');
    expect(text).not.toContain('• rule 11');
    expect(text).toContain('and 4 more');
  });

  it('leaves nothing empty on a bare card', () => {
    const card = renderer.render(bareSampleCard);
    expect(blockKitViolations(card)).toEqual([]);
    expect(card.blocks.map((block) => block.type)).toEqual(['header', 'section']);
  });

  it('renders equal cards equally and gives changed ones new block ids', () => {
    expect(renderer.render(firing)).toEqual(renderer.render(structuredClone(firing)));
    const before = renderer.render(firing).blocks.map((block) => block['block_id']);
    const after = renderer.render({ ...firing, occurrences: 4 }).blocks.map((block) => block['block_id']);
    expect(before.filter((id) => after.includes(id))).toEqual([]);
  });

  it('uses a name rather than a mention, and a mention only for want of a name', () => {
    const stranger: Person = { id: 'slack:U0STRANGER', name: 'U0STRANGER', slackId: 'U0STRANGER' };
    expect(all(renderer.render(resolved))).not.toContain('<@');
    expect(all(renderer.render({ ...resolved, resolvedBy: stranger }))).toContain('<@U0STRANGER>');
    const forged: Person = { id: 'x', name: 'X> <!channel', slackId: 'X> <!channel' };
    expect(blockKitViolations(renderer.render({ ...resolved, resolvedBy: forged }))).toEqual([]);
  });

  it('completes an address that is only a path', () => {
    const template =
      'text: "{{ title }}"\nblocks: [{ type: section, text: { type: mrkdwn, text: "{{ url | link: title }}" } }]';
    const card = createCardRenderer({ appUrl: 'https://gomon.example.com', template }).render({
      ...firing,
      url: '/alerts/7',
    });
    expect(all(card)).toContain('<https://gomon.example.com/alerts/7|');
  });
});

describe('hostile alerts', () => {
  const evil =
    '<!channel> <@U0ANN00001> <https://evil.example|bank> &lt; *b* _i_ ~s~ `c` \u0000\u0007\u202Eevil\u202C \uD800 👩‍👩‍👧 :tada:';

  it('neither mention, link nor format', () => {
    const person: Person = { id: evil, name: evil, slackId: evil };
    const card = renderer.render({
      ...firing,
      title: evil,
      description: evil,
      namespace: evil,
      labels: [{ name: evil, value: evil }],
      acknowledgedBy: person,
      assignedTo: person,
      stateReason: evil,
      notes: [{ by: person, text: evil, at: firing.startsAt }],
      incident: { id: evil, title: evil, status: evil, url: 'https://x.example/a b|c>d<!channel>' },
      links: [{ rel: 'runbook', url: 'https://x.example/|x> <!here>' }],
    });
    expect(blockKitViolations(card)).toEqual([]);
    expect(all(card)).not.toMatch(/<!channel|<!here|<@U0ANN/);
    // In code spans (the labels) the marks are literal.
    const formatted = mrkdwnOf(card.blocks)
      .concat(card.text)
      .map((text) => text.replace(/`[^`]*`/g, ''));
    expect(formatted.join('\n')).not.toMatch(/<https:\/\/evil|\*b\*|_i_|~s~|`/);
  });

  it('do not smuggle in other addresses than http', () => {
    const card = renderer.render({
      ...firing,
      trace: { id: 'abc', url: 'javascript:alert(1)' },
      links: [{ rel: 'runbook', url: 'file:///etc/passwd' }],
      url: 'ftp://x.example',
    });
    expect(all(card)).not.toMatch(/javascript|file:|ftp:/);
    expect(ids(card)).not.toContain('alert_trace');
  });

  it('may be as long as they like', () => {
    const card = renderer.render({
      ...firing,
      title: '💥'.repeat(500),
      description: '&'.repeat(10_000),
      namespace: '<'.repeat(3_000),
      labels: Array.from({ length: 60 }, (_, index) => ({
        name: `label_${index}`,
        value: '`&<'.repeat(500),
      })),
      values: Array.from({ length: 60 }, (_, index) => ({ name: 'v'.repeat(300) + index, value: index / 3 })),
      notes: Array.from({ length: 9 }, () => ({
        by: ann,
        text: '>'.repeat(9_000),
        at: firing.startsAt,
      })),
      links: Array.from({ length: 30 }, (_, index) => ({
        rel: 'dashboard' as const,
        url: `https://x.example/${'&a'.repeat(700)}${index}`,
      })),
    });
    expect(blockKitViolations(card)).toEqual([]);
    expect(ids(card)).toHaveLength(6);
  });

  it('always give a valid message', () => {
    const fragment = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        '<!channel>',
        '<@U1>',
        '&amp',
        '`',
        '*',
        '\u0000',
        '\u202E',
        '\uD800',
        '👩‍👩‍👧‍👦',
        '\n\n',
        '|',
        'عربي',
        ' ',
      ),
    );
    const text = fc
      .tuple(fc.array(fragment, { maxLength: 6 }), fc.constantFrom(1, 1, 1, 60, 700))
      .map(([parts, times]) => parts.join('').repeat(times));
    const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
      fc.option(arbitrary, { nil: null });
    const date = fc.date({ noInvalidDate: false });
    const person = fc.record({
      id: text,
      name: text,
      slackId: orNull(fc.oneof(text, fc.constant('U123456'))),
    });
    const url = fc.oneof(
      text,
      fc.webUrl(),
      text.map((path) => `https://x.example/${path}`),
    );
    const card: fc.Arbitrary<AlertCard> = fc.record({
      alertId: fc.uuid(),
      kind: fc.constantFrom('alert', 'datasource'),
      title: text,
      description: text,
      severity: fc.constantFrom(...severities),
      status: fc.constantFrom(...statuses),
      source: fc.constantFrom(...sourceNames),
      namespace: orNull(text),
      labels: fc.array(fc.record({ name: text, value: text }), { maxLength: 60 }),
      startsAt: date,
      silentSince: orNull(date),
      resolvedAt: orNull(date),
      acknowledgedBy: orNull(person),
      acknowledgedAt: orNull(date),
      resolvedBy: orNull(person),
      assignedTo: orNull(person),
      occurrences: fc.nat(),
      stateReason: orNull(text),
      values: fc.array(fc.record({ name: text, value: fc.double() }), { maxLength: 20 }),
      notes: fc.array(fc.record({ by: person, text, at: date }), { maxLength: 5 }),
      rules: fc.array(fc.record({ title: text, status: fc.constantFrom(...statuses) }), { maxLength: 20 }),
      incident: orNull(fc.record({ id: text, title: text, status: text, url: orNull(url) })),
      trace: orNull(fc.record({ id: text, url: orNull(url) })),
      links: fc.array(fc.record({ rel: fc.constantFrom('source', 'silence', 'runbook'), url }), {
        maxLength: 12,
      }),
      url,
      actions: fc.subarray<CardAction>(['acknowledge', 'escalate', 'create-incident', 'resolve', 'add-note']),
    });
    const failures: unknown[] = [];
    const watched = createCardRenderer({ onTemplateError: (error) => failures.push(error) });
    fc.assert(
      fc.property(card, (given) => {
        expect(blockKitViolations(watched.render(given))).toEqual([]);
      }),
      { numRuns: 150 },
    );
    expect(failures).toEqual([]);
  });
});
