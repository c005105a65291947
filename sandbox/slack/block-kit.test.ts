import { describe, expect, it } from 'vitest';
import { checkBlocks, checkView } from './block-kit.ts';
import type { Surface } from './block-kit.ts';
import type { JsonObject } from './json.ts';
import { button, marked, plain } from './testing.ts';

const x = (count: number): string => 'x'.repeat(count);
const times = (count: number, item: (index: number) => unknown): unknown[] =>
  Array.from({ length: count }, (_, index) => item(index));
const option = (value: string, more: JsonObject = {}): JsonObject => ({ text: plain(value), value, ...more });
const actions = (...elements: unknown[]): JsonObject => ({ type: 'actions', elements });
const section = (more: JsonObject): JsonObject => ({ type: 'section', ...more });
const image = { type: 'image', image_url: 'https://example.com/a.png', alt_text: 'a graph' };
const select = (more: JsonObject = {}): JsonObject => ({
  type: 'static_select',
  action_id: 's',
  options: [option('a')],
  ...more,
});
const rich = (...elements: unknown[]): JsonObject => ({ type: 'rich_text', elements });
const confirm = { title: plain('Sure?'), text: marked('*Really*'), confirm: plain('Yes'), deny: plain('No') };
const input = (element: JsonObject): JsonObject => ({
  type: 'input',
  block_id: 'i',
  label: plain('L'),
  element,
});
const container = (...blocks: unknown[]): JsonObject => ({
  type: 'container',
  title: plain('t'),
  child_blocks: blocks,
});
const table = (rows: unknown[]): JsonObject => ({ type: 'table', rows });
const raw = (text: string): JsonObject => ({ type: 'raw_text', text });

describe('blocks Slack takes', () => {
  const valid: [string, Surface, unknown[]][] = [
    ['a header of 150 characters', 'message', [{ type: 'header', text: plain(x(150)) }]],
    [
      'a section with text of 3000 and ten fields of 2000',
      'message',
      [section({ text: marked(x(3000)), fields: times(10, () => marked(x(2000))) })],
    ],
    ['a section of fields alone', 'message', [section({ fields: [plain('a')] })]],
    ['a section with an image beside it', 'message', [section({ text: plain('a'), accessory: image })]],
    ['25 elements', 'message', [actions(...times(25, (index) => button(`b${index}`)))]],
    [
      'a button with everything',
      'message',
      [
        actions(
          button('b', {
            text: plain(x(75)),
            value: x(2000),
            style: 'danger',
            confirm,
            accessibility_label: 'Press it',
          }),
        ),
      ],
    ],
    ['a button with an address', 'message', [actions(button('b', { url: 'https://example.com/' }))]],
    ['a context of ten', 'message', [{ type: 'context', elements: [image, ...times(9, () => marked('a'))] }]],
    ['the same action_id in two blocks', 'message', [actions(button('b')), actions(button('b'))]],
    ['50 blocks', 'message', times(50, () => ({ type: 'divider' }))],
    ['100 blocks on the Home tab', 'home', times(100, () => ({ type: 'divider' }))],
    ['an alert in a modal', 'modal', [{ type: 'alert', text: plain('careful'), level: 'warning' }]],
    [
      'an overflow menu with an address',
      'message',
      [actions({ type: 'overflow', action_id: 'o', options: [option('a', { url: 'https://example.com' })] })],
    ],
    [
      'a select with a choice made',
      'message',
      [actions(select({ initial_option: option('a'), placeholder: plain('Choose') }))],
    ],
    [
      'rich text of many kinds',
      'message',
      [
        rich(
          {
            type: 'rich_text_section',
            elements: [
              { type: 'text', text: '<b>', style: { code: true } },
              { type: 'user', user_id: 'U1' },
              { type: 'date', timestamp: 1_700_000_000, format: '{date}' },
            ],
          },
          {
            type: 'rich_text_list',
            style: 'bullet',
            elements: [
              { type: 'rich_text_section', elements: [{ type: 'link', url: 'https://example.com' }] },
            ],
          },
          { type: 'rich_text_preformatted', elements: [{ type: 'text', text: 'code' }] },
        ),
      ],
    ],
    ['null fields, which Slack drops', 'message', [section({ text: plain('a'), accessory: null })]],
    ['a table', 'message', [table([[raw('a'), { type: 'raw_number', value: 1, text: '1' }]])]],
    ['a container', 'message', [container({ type: 'divider' })]],
  ];
  it.each(valid)('%s', (_name, surface, blocks) => {
    expect(checkBlocks(surface, blocks)).toEqual([]);
  });
});

describe('blocks Slack refuses', () => {
  const invalid: [string, Surface, unknown, string, RegExp][] = [
    ['no array', 'message', {}, '/blocks', /array/],
    ['51 blocks', 'message', times(51, () => ({ type: 'divider' })), '/blocks', /no more than 50/],
    [
      '101 blocks in a modal',
      'modal',
      times(101, () => ({ type: 'divider' })),
      '/blocks',
      /no more than 100/,
    ],
    ['an unknown block', 'message', [{ type: 'banana' }], '/blocks/0/type', /unsupported type: banana/],
    ['a block without type', 'message', [{ text: plain('a') }], '/blocks/0', /missing required field: type/],
    ['an inherited name as type', 'message', [{ type: 'constructor' }], '/blocks/0/type', /unsupported/],
    ['a block that is text', 'message', ['divider'], '/blocks/0', /object/],
    [
      'an alert in a message',
      'message',
      [{ type: 'alert', text: plain('a') }],
      '/blocks/0/type',
      /unsupported/,
    ],
    [
      'a container on the Home tab',
      'home',
      [container({ type: 'divider' })],
      '/blocks/0/type',
      /unsupported/,
    ],
    ['a table in a modal', 'modal', [table([[raw('a')]])], '/blocks/0/type', /unsupported/],
    [
      'a file block',
      'message',
      [{ type: 'file', external_id: 'a', source: 'remote' }],
      '/blocks/0/type',
      /unsupported/,
    ],
    [
      'a header of 151',
      'message',
      [{ type: 'header', text: plain(x(151)) }],
      '/blocks/0/text/text',
      /less than 151/,
    ],
    [
      'a header in mrkdwn',
      'message',
      [{ type: 'header', text: marked('a') }],
      '/blocks/0/text/type',
      /unsupported type: mrkdwn/,
    ],
    ['a header without text', 'message', [{ type: 'header' }], '/blocks/0', /missing required field: text/],
    [
      'an empty section text',
      'message',
      [section({ text: marked('') })],
      '/blocks/0/text/text',
      /more than 0 characters/,
    ],
    [
      'a section text of 3001',
      'message',
      [section({ text: marked(x(3001)) })],
      '/blocks/0/text/text',
      /less than 3001/,
    ],
    ['a section without text or fields', 'message', [section({})], '/blocks/0', /one of text, fields/],
    [
      'eleven fields',
      'message',
      [section({ fields: times(11, () => plain('a')) })],
      '/blocks/0/fields',
      /no more than 10/,
    ],
    [
      'a field of 2001',
      'message',
      [section({ fields: [plain(x(2001))] })],
      '/blocks/0/fields/0/text',
      /less than 2001/,
    ],
    [
      'an unknown key',
      'message',
      [section({ text: plain('a'), color: 'red' })],
      '/blocks/0',
      /invalid additional property: color/,
    ],
    [
      'emoji on mrkdwn',
      'message',
      [section({ text: { ...marked('a'), emoji: true } })],
      '/blocks/0/text',
      /additional property: emoji/,
    ],
    [
      'verbatim on plain_text',
      'message',
      [section({ text: { ...plain('a'), verbatim: true } })],
      '/blocks/0/text',
      /additional property: verbatim/,
    ],
    ['text that is a string', 'message', [section({ text: 'a' })], '/blocks/0/text', /object/],
    [
      '26 elements',
      'message',
      [actions(...times(26, (index) => button(`b${index}`)))],
      '/blocks/0/elements',
      /no more than 25/,
    ],
    ['no elements', 'message', [actions()], '/blocks/0/elements', /no less than 1/],
    [
      'eleven in a context',
      'message',
      [{ type: 'context', elements: times(11, () => plain('a')) }],
      '/blocks/0/elements',
      /no more than 10/,
    ],
    [
      'a button in a context',
      'message',
      [{ type: 'context', elements: [button('b')] }],
      '/blocks/0/elements/0/type',
      /unsupported type: button/,
    ],
    [
      'an input among actions',
      'message',
      [actions({ type: 'plain_text_input', action_id: 'a' })],
      '/blocks/0/elements/0/type',
      /unsupported/,
    ],
    [
      'a button text of 76',
      'message',
      [actions(button('b', { text: plain(x(76)) }))],
      '/blocks/0/elements/0/text/text',
      /less than 76/,
    ],
    [
      'a button text in mrkdwn',
      'message',
      [actions(button('b', { text: marked('a') }))],
      '/blocks/0/elements/0/text/type',
      /unsupported/,
    ],
    [
      'a button value of 2001',
      'message',
      [actions(button('b', { value: x(2001) }))],
      '/blocks/0/elements/0/value',
      /less than 2001/,
    ],
    [
      'an empty button value',
      'message',
      [actions(button('b', { value: '' }))],
      '/blocks/0/elements/0/value',
      /more than 0/,
    ],
    [
      'a button address of 3001',
      'message',
      [actions(button('b', { url: `https://e.com/${x(2990)}` }))],
      '/blocks/0/elements/0/url',
      /less than 3001/,
    ],
    [
      'a relative button address',
      'message',
      [actions(button('b', { url: '/alerts/1' }))],
      '/blocks/0/elements/0/url',
      /invalid url/,
    ],
    [
      'an unknown style',
      'message',
      [actions(button('b', { style: 'warning' }))],
      '/blocks/0/elements/0/style',
      /one of: primary, danger/,
    ],
    [
      'an action_id of 256',
      'message',
      [actions(button(x(256)))],
      '/blocks/0/elements/0/action_id',
      /less than 256/,
    ],
    [
      'a block_id of 256',
      'message',
      [{ type: 'divider', block_id: x(256) }],
      '/blocks/0/block_id',
      /less than 256/,
    ],
    [
      'the same action_id twice in a block',
      'message',
      [actions(button('b'), button('b'))],
      '/blocks/0',
      /already exists/,
    ],
    [
      'the same block_id twice',
      'message',
      [
        { type: 'divider', block_id: 'a' },
        { type: 'divider', block_id: 'a' },
      ],
      '/blocks/1/block_id',
      /already exists/,
    ],
    [
      'a confirm without deny',
      'message',
      [actions(button('b', { confirm: { ...confirm, deny: undefined } }))],
      '/blocks/0/elements/0/confirm',
      /missing required field: deny/,
    ],
    [
      'a confirm title of 101',
      'message',
      [actions(button('b', { confirm: { ...confirm, title: plain(x(101)) } }))],
      '/blocks/0/elements/0/confirm/title/text',
      /less than 101/,
    ],
    [
      'a confirm text of 301',
      'message',
      [actions(button('b', { confirm: { ...confirm, text: plain(x(301)) } }))],
      '/blocks/0/elements/0/confirm/text/text',
      /less than 301/,
    ],
    [
      'an image without alt_text',
      'message',
      [{ type: 'image', image_url: 'https://e.com/a.png' }],
      '/blocks/0',
      /missing required field: alt_text/,
    ],
    [
      'an image without source',
      'message',
      [{ type: 'image', alt_text: 'a' }],
      '/blocks/0',
      /image_url, slack_file/,
    ],
    [
      'six overflow options',
      'message',
      [actions({ type: 'overflow', options: times(6, (index) => option(`o${index}`)) })],
      '/blocks/0/elements/0/options',
      /no more than 5/,
    ],
    [
      '101 options',
      'message',
      [actions(select({ options: times(101, (index) => option(`o${index}`)) }))],
      '/blocks/0/elements/0/options',
      /no more than 100/,
    ],
    [
      'options and groups',
      'message',
      [actions(select({ option_groups: [{ label: plain('g'), options: [option('b')] }] }))],
      '/blocks/0/elements/0',
      /only one of/,
    ],
    [
      'a select without options',
      'message',
      [actions({ type: 'static_select' })],
      '/blocks/0/elements/0',
      /one of options/,
    ],
    [
      'an initial option that is none',
      'message',
      [actions(select({ initial_option: option('z') }))],
      '/blocks/0/elements/0/initial_option',
      /one of the options/,
    ],
    [
      'an option text of 76',
      'message',
      [actions(select({ options: [option('a', { text: plain(x(76)) })] }))],
      '/blocks/0/elements/0/options/0/text/text',
      /less than 76/,
    ],
    [
      'an option value of 76',
      'message',
      [actions(select({ options: [option('a', { value: x(76) })] }))],
      '/blocks/0/elements/0/options/0/value',
      /less than 76/,
    ],
    [
      'mrkdwn in a select option',
      'message',
      [actions(select({ options: [option('a', { text: marked('a') })] }))],
      '/blocks/0/elements/0/options/0/text/type',
      /unsupported/,
    ],
    [
      'an address on a select option',
      'message',
      [actions(select({ options: [option('a', { url: 'https://e.com' })] }))],
      '/blocks/0/elements/0/options/0',
      /additional property: url/,
    ],
    [
      'an unknown rich text part',
      'message',
      [rich({ type: 'rich_text_poem', elements: [] })],
      '/blocks/0/elements/0/type',
      /unsupported/,
    ],
    [
      'an empty rich text word',
      'message',
      [rich({ type: 'rich_text_section', elements: [{ type: 'text', text: '' }] })],
      '/blocks/0/elements/0/elements/0/text',
      /more than 0/,
    ],
    [
      'rich text that is no list',
      'message',
      [rich({ type: 'rich_text_list', style: 'stars', elements: [] })],
      '/blocks/0/elements/0/style',
      /bullet, ordered/,
    ],
    [
      'an input without label',
      'modal',
      [{ type: 'input', element: { type: 'plain_text_input' } }],
      '/blocks/0',
      /missing required field: label/,
    ],
    [
      'an input max_length of 3001',
      'modal',
      [input({ type: 'plain_text_input', max_length: 3001 })],
      '/blocks/0/element/max_length',
      /between 1 and 3000/,
    ],
    [
      'an input that cannot be long enough',
      'modal',
      [input({ type: 'plain_text_input', min_length: 9, max_length: 3 })],
      '/blocks/0/element/min_length',
      /at most max_length/,
    ],
    [
      'a button as an input',
      'modal',
      [input(button('b'))],
      '/blocks/0/element/type',
      /unsupported type: button/,
    ],
    [
      'a placeholder of 151',
      'modal',
      [input({ type: 'plain_text_input', placeholder: plain(x(151)) })],
      '/blocks/0/element/placeholder/text',
      /less than 151/,
    ],
    [
      'two tables',
      'message',
      [table([[raw('a')]]), { type: 'data_table', caption: 'c', rows: [[raw('a')], [raw('b')]] }],
      '/blocks',
      /only one table/,
    ],
    [
      '10,001 characters in a table',
      'message',
      [table([[raw(x(5001))], [raw(x(5000))]])],
      '/blocks',
      /10000 characters/,
    ],
    [
      '12,001 characters of markdown',
      'message',
      times(2, () => ({ type: 'markdown', text: x(6001) })),
      '/blocks',
      /12000 characters/,
    ],
    [
      'a block_id repeated inside a container',
      'message',
      [container({ type: 'divider', block_id: 'a' }, { type: 'divider', block_id: 'a' })],
      '/blocks/0/child_blocks/1/block_id',
      /already exists/,
    ],
  ];
  it.each(invalid)('%s', (_name, surface, blocks, pointer, message) => {
    const issues = checkBlocks(surface, blocks);
    expect(issues).toContainEqual({ pointer, message: expect.stringMatching(message) as string });
  });
});

describe('views', () => {
  const modal = { type: 'modal', title: plain('Title'), blocks: [{ type: 'divider' }] };
  const withInput = {
    ...modal,
    submit: plain('Go'),
    blocks: [input({ type: 'plain_text_input', action_id: 'a' })],
  };
  it.each<[string, JsonObject]>([
    ['a modal', modal],
    ['a modal with input', withInput],
    [
      'a modal with everything',
      {
        ...withInput,
        title: plain(x(24)),
        close: plain(x(24)),
        private_metadata: x(3000),
        callback_id: 'c',
        external_id: 'e',
        notify_on_close: true,
        clear_on_close: false,
      },
    ],
    ['a Home tab', { type: 'home', blocks: [{ type: 'header', text: plain('a') }] }],
  ])('takes %s', (_name, view) => {
    expect(checkView(view)).toEqual([]);
  });

  it.each<[string, unknown, string, RegExp]>([
    ['no object', 'modal', '/view', /object/],
    ['an unknown type', { ...modal, type: 'dialog' }, '/view/type', /unsupported type: dialog/],
    ['no title', { ...modal, title: undefined }, '/view', /missing required field: title/],
    ['a title of 25', { ...modal, title: plain(x(25)) }, '/view/title/text', /less than 25/],
    ['a submit of 25', { ...withInput, submit: plain(x(25)) }, '/view/submit/text', /less than 25/],
    ['a close of 25', { ...modal, close: plain(x(25)) }, '/view/close/text', /less than 25/],
    ['a title in mrkdwn', { ...modal, title: marked('a') }, '/view/title/type', /unsupported/],
    ['input without submit', { ...withInput, submit: undefined }, '/view', /submit/],
    [
      'private_metadata of 3001',
      { ...modal, private_metadata: x(3001) },
      '/view/private_metadata',
      /less than 3001/,
    ],
    ['a callback_id of 256', { ...modal, callback_id: x(256) }, '/view/callback_id', /less than 256/],
    ['no blocks', { ...modal, blocks: undefined }, '/view', /missing required field: blocks/],
    ['an unknown key', { ...modal, text: 'a' }, '/view', /additional property: text/],
    [
      'a title on the Home tab',
      { type: 'home', title: plain('a'), blocks: [{ type: 'divider' }] },
      '/view',
      /additional property: title/,
    ],
    [
      'a bad block',
      { ...modal, blocks: [{ type: 'markdown', text: 'a' }] },
      '/view/blocks/0/type',
      /unsupported/,
    ],
  ])('refuses %s', (_name, view, pointer, message) => {
    expect(checkView(view)).toContainEqual({ pointer, message: expect.stringMatching(message) as string });
  });
});
