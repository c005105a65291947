import { describe, expect, it } from 'vitest';
import { blockKitViolations } from './block-kit-violations.ts';
import { createCardRenderer, defaultCardTemplate } from './card-renderer.ts';
import { bareSampleCard, fullSampleCard } from './card-samples.ts';
import { loadCardTemplate } from './card-template.ts';

const template = (blocks: string, head = 'text: "{{ title }}"'): string => `${head}\nblocks:\n${blocks}\n`;
const header = '  - { type: header, text: { type: plain_text, text: "{{ title }}" } }';

function problems(text: string): string {
  const result = loadCardTemplate(text);
  return result.ok ? 'no problem' : result.problems.join('\n');
}

describe('a card template', () => {
  it('of ours is in order', () => {
    expect(problems(defaultCardTemplate())).toBe('no problem');
  });

  it.each([
    ['bad YAML', 'text: "x\nblocks: [', /not YAML/],
    ['a list', '- a', /must be a mapping with the keys words, text and blocks/],
    ['no text', 'blocks: []', /text: missing/],
    ['no blocks', 'text: x', /blocks: missing/],
    [
      'an unknown key',
      template(header, 'text: x\nblock: []'),
      /block: unknown key; allowed: words, text, blocks/,
    ],
    [
      'words that are no table',
      template(header, 'text: x\nwords: { severity: high }'),
      /words\.severity: expected a mapping/,
    ],
    [
      'an unknown block',
      template('  - { type: video }'),
      /blocks\[0\]\.type: found "video"; allowed: header, section, context/,
    ],
    ['no type', template('  - { text: x }'), /blocks\[0\]\.type: found nothing; allowed: header/],
    ['a block that is a text', template('  - hello'), /blocks\[0\]: found "hello"; allowed: a mapping/],
    [
      'an unknown key of a block',
      template('  - { type: divider, color: red }'),
      /blocks\[0\]\.color: unknown key; allowed: type, block_id/,
    ],
    [
      'mrkdwn in a header',
      template('  - { type: header, text: { type: mrkdwn, text: x } }'),
      /blocks\[0\]\.text\.type: found "mrkdwn"; allowed: plain_text/,
    ],
    ['a missing text', template('  - { type: header }'), /blocks\[0\]\.text: missing/],
    ['a section of nothing', template('  - { type: section }'), /blocks\[0\]: needs one of text, fields/],
    [
      'elements that are no list',
      template('  - { type: actions, elements: x }'),
      /blocks\[0\]\.elements: found "x"; allowed: a list/,
    ],
    [
      'an unknown style',
      template(
        '  - { type: actions, elements: [{ type: button, style: red, action_id: a, value: v, text: { type: plain_text, text: x } }] }',
      ),
      /blocks\[0\]\.elements\[0\]\.style: found "red"; allowed: primary, danger/,
    ],
    [
      'an unknown variable',
      template(header, 'text: "{{ titel }}"'),
      /text: unknown variable titel; allowed: alertId, kind, title/,
    ],
    [
      'an unknown part',
      template(header, 'text: "{{ title }} {% if incident %}{{ incident.link }}{% endif %}"'),
      /unknown variable incident\.link; allowed: id, title/,
    ],
    [
      'an unknown filter',
      template(header, 'text: "{{ title | shout }}"'),
      /text: undefined filter: shout.*allowed: .*truncate/,
    ],
    ['a way around escaping', template(header, 'text: "{{ title | raw }}"'), /undefined filter: raw/],
    ['an unknown tag', template(header, 'text: "{% include \'x\' %}"'), /text: tag "include" not found/],
    ['an unclosed tag', template(header, 'text: "{% if open %}x"'), /text: tag .* not closed/],
    [
      'a wrong condition',
      template('  - { $if: "sevrity == 1", type: divider }'),
      /blocks\[0\]\.\$if: unknown variable sevrity/,
    ],
    [
      'a loop over a text',
      template('  - { $each: title, type: divider }'),
      /blocks\[0\]\.\$each: found "title"; allowed: a list: labels/,
    ],
    [
      'an unknown part of a loop variable',
      template(
        '  - { $each: notes, $as: note, type: section, text: { type: mrkdwn, text: "{{ note.txt }}" } }',
      ),
      /blocks\[0\]\.text\.text: unknown variable note\.txt; allowed: by, text, at/,
    ],
    [
      'a text that is always empty',
      template(header, 'text: "{% if false %}x{% endif %}"'),
      /text: renders to nothing/,
    ],
  ])('with %s is refused', (_what, text, expected) => {
    expect(problems(text)).toMatch(expected);
  });

  it('names every problem at once', () => {
    expect(problems(template('  - { type: video }\n  - { type: header }')).split('\n')).toHaveLength(2);
  });

  it('can change wording and layout', () => {
    const text = template(
      [
        '  - { type: header, text: { type: plain_text, text: "{{ words.severity[severity] }}: {{ title }}" } }',
        '  - { $each: labels, $as: label, type: section, text: { type: mrkdwn, text: "*{{ label.name }}*: {{ label.value }}" } }',
        '  - { $if: "severity == \'P4\'", type: divider }',
        '  - { $if: "assignedTo.name", type: context, elements: [{ type: mrkdwn, text: "{{ assignedTo | person }}" }] }',
      ].join('\n'),
      'words: { severity: { P1: Hoch } }\ntext: "{{ title }} <!here>"',
    );
    const card = {
      ...fullSampleCard,
      labels: [
        { name: 'a', value: '<!channel>' },
        { name: 'b', value: '2' },
      ],
    };
    const { text: fallback, blocks } = createCardRenderer({ template: text }).render(card);
    expect(blocks).toMatchObject([
      { type: 'header', text: { type: 'plain_text', text: 'Hoch: payments-api p99 latency' } },
      { type: 'section', text: { type: 'mrkdwn', text: '*a*: &lt;!channel&gt;', verbatim: true } },
      { type: 'section', text: { type: 'mrkdwn', text: '*b*: 2', verbatim: true } },
      { type: 'context', elements: [{ type: 'mrkdwn', text: 'Ann Example', verbatim: true }] },
    ]);
    // What the operator writes is theirs to write; only alert data is escaped.
    expect(fallback).toBe('payments-api p99 latency <!here>');
    expect(createCardRenderer({ template: text }).render(bareSampleCard).blocks).toHaveLength(1);
  });

  it('keeps the buttons when it asks for too many blocks', () => {
    const text = template(
      [
        '  - { $each: labels, type: section, text: { type: plain_text, text: "{{ item.name }}" } }',
        '  - { type: actions, elements: [{ $each: actions, type: button, action_id: "{{ item.id }}", value: "{{ alertId }}", text: { type: plain_text, text: "{{ item.name }}" } }] }',
      ].join('\n'),
    );
    const labels = Array.from({ length: 80 }, (_, index) => ({ name: `label ${index}`, value: '' }));
    const { blocks } = createCardRenderer({ template: text }).render({ ...fullSampleCard, labels });
    expect(blocks).toHaveLength(50);
    expect(blocks.at(-1)?.type).toBe('actions');
    expect(new Set(blocks.map((block) => block['block_id'])).size).toBe(50);
  });

  it('cannot exceed the limits of lists, nor repeat an action', () => {
    const text = template(
      [
        '  - { type: section, fields: [{ $each: labels, type: mrkdwn, text: "{{ item.name }}" }] }',
        '  - { type: context, elements: [{ $each: labels, type: plain_text, text: "{{ item.name }}" }] }',
        '  - { type: actions, elements: [{ $each: labels, type: button, action_id: same, value: v, text: { type: plain_text, text: x } }] }',
      ].join('\n'),
    );
    const labels = Array.from({ length: 30 }, (_, index) => ({ name: `label ${index}`, value: '' }));
    const message = createCardRenderer({ template: text }).render({ ...fullSampleCard, labels });
    expect(blockKitViolations(message)).toEqual([]);
    expect(message.blocks.map((block) => (block['fields'] ?? block['elements']) as unknown[])).toMatchObject([
      { length: 10 },
      { length: 10 },
      { length: 1 },
    ]);
  });

  it('that fails on one card gives way to ours, and says so', () => {
    const failed: unknown[] = [];
    const renderer = createCardRenderer({
      // Shows only with more labels than the samples have.
      template: template(
        header,
        `text: '{% if labels.size > 1 %}{{ labels | where_exp: "l", "l | shout" }}{% endif %}x'`,
      ),
      onTemplateError: (error) => failed.push(error),
    });
    const card = {
      ...fullSampleCard,
      labels: [
        { name: 'a', value: 'b' },
        { name: 'c', value: 'd' },
      ],
    };
    expect(renderer.render(fullSampleCard).text).toBe('x');
    expect(failed).toEqual([]);
    expect(renderer.render(card)).toEqual(createCardRenderer().render(card));
    expect(failed).toHaveLength(1);
  });

  it('that is wrong is not started with', () => {
    expect(() => createCardRenderer({ template: 'text: "{{ x }}"' })).toThrow(
      /card template cannot be used:\n {2}.*\n {2}text: unknown variable x/s,
    );
  });
});
