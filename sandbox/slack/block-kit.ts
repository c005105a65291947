import { blockRules } from './block-kit/blocks.ts';
import { plainText } from './block-kit/parts.ts';
import { flag, list, object, text } from './block-kit/shape.ts';
import type { Issue, Report } from './block-kit/shape.ts';
import { isObject, objectList } from './json.ts';
import type { JsonObject } from './json.ts';

export type Surface = 'message' | 'modal' | 'home';
export type { Issue };

const everywhere = [
  'actions',
  'card',
  'context',
  'divider',
  'header',
  'image',
  'input',
  'rich_text',
  'section',
  'video',
];
const messagesOnly = ['container', 'context_actions', 'data_visualization', 'markdown', 'plan', 'task_card'];
/** https://docs.slack.dev/blocks.json; the alert block is for modals alone. `file` cannot be posted at all. */
const allowed: Record<Surface, ReadonlySet<string>> = {
  message: new Set(everywhere.concat(messagesOnly, 'carousel', 'data_table', 'table')),
  modal: new Set([...everywhere, 'alert']),
  home: new Set([...everywhere, 'carousel', 'data_table', 'table']),
};
const mostBlocks: Record<Surface, number> = { message: 50, modal: 100, home: 100 };

/** Everything Slack would refuse about a list of blocks. Pointers start with `at` ("/blocks"). */
export function checkBlocks(surface: Surface, blocks: unknown, at = '/blocks'): Issue[] {
  const issues: Issue[] = [];
  const report: Report = (pointer, message) => issues.push({ pointer, message });
  list((block, pointer) => checkBlock(surface, block, pointer, report), { min: 1, max: mostBlocks[surface] })(
    blocks,
    at,
    report,
  );
  if (Array.isArray(blocks)) {
    checkIds(blocks, at, report);
    checkTotals(objectList(blocks), at, report);
  }
  return issues;
}

/** Everything Slack would refuse about a view (modal or Home tab). Pointers start with /view. */
export function checkView(view: unknown): Issue[] {
  if (!isObject(view)) return [{ pointer: '/view', message: 'must be an object' }];
  const issues: Issue[] = [];
  const report: Report = (pointer, message) => issues.push({ pointer, message });
  if (view['type'] !== 'modal' && view['type'] !== 'home') {
    return [{ pointer: '/view/type', message: `unsupported type: ${String(view['type'])}` }];
  }
  (view['type'] === 'modal' ? modalFields : homeFields)(view, '/view', report);
  const needsSubmit = objectList(view['blocks']).some((block) => block['type'] === 'input');
  if (view['type'] === 'modal' && needsSubmit && !view['submit']) {
    report('/view', 'missing required field: submit (there are input blocks)');
  }
  if (view['blocks'] !== undefined) issues.push(...checkBlocks(view['type'], view['blocks'], '/view/blocks'));
  return issues;
}

const viewFields = {
  blocks: { required: () => {} },
  private_metadata: text({ min: 0, max: 3000 }),
  callback_id: text({ min: 0, max: 255 }),
  external_id: text({ min: 0, max: 255 }),
};
const homeFields = object(viewFields);
const modalFields = object({
  ...viewFields,
  title: { required: plainText(24) },
  submit: plainText(24),
  close: plainText(24),
  clear_on_close: flag,
  notify_on_close: flag,
  submit_disabled: flag,
});

function checkBlock(surface: Surface, block: unknown, pointer: string, report: Report): void {
  if (!isObject(block)) return report(pointer, 'must be an object');
  const { type } = block;
  if (type === undefined) return report(pointer, 'missing required field: type');
  const rule = typeof type === 'string' && Object.hasOwn(blockRules, type) ? blockRules[type] : undefined;
  if (!rule || !allowed[surface].has(String(type))) {
    return report(`${pointer}/type`, `unsupported type: ${String(type).slice(0, 80)}`);
  }
  rule(block, pointer, report);
}

/** block_id once per message, action_id once per block. */
function checkIds(blocks: readonly unknown[], at: string, report: Report): void {
  const blockIds = new Set<string>();
  for (const [index, block] of blocks.entries()) {
    if (!isObject(block)) continue;
    const pointer = `${at}/${index}`;
    const blockId = block['block_id'];
    if (typeof blockId === 'string') {
      if (blockIds.has(blockId)) report(`${pointer}/block_id`, `block_id "${blockId}" already exists`);
      blockIds.add(blockId);
    }
    const actionIds = new Set<string>();
    for (const element of interactiveElements(block)) {
      const actionId = element['action_id'];
      if (typeof actionId !== 'string') continue;
      if (actionIds.has(actionId))
        report(pointer, `\`action_id\` "${actionId}" already exists for another element`);
      actionIds.add(actionId);
    }
    if (Array.isArray(block['child_blocks']))
      checkIds(block['child_blocks'], `${pointer}/child_blocks`, report);
  }
}

function checkTotals(blocks: readonly JsonObject[], at: string, report: Report): void {
  const flat = blocks.flatMap((block) => [block, ...objectList(block['child_blocks'])]);
  const tables = flat.filter((block) => block['type'] === 'table' || block['type'] === 'data_table');
  if (tables.length > 1) report(at, 'only one table allowed per message');
  const tableCharacters = tables.reduce((sum, table) => sum + textLength(table['rows']), 0);
  if (tableCharacters > 10_000) report(at, 'tables may have no more than 10000 characters in all cells');
  if (flat.filter((block) => block['type'] === 'data_visualization').length > 2) {
    report(at, 'no more than 2 data_visualization blocks allowed');
  }
  const markdown = flat.filter((block) => block['type'] === 'markdown');
  if (markdown.reduce((sum, block) => sum + String(block['text'] ?? '').length, 0) > 12_000) {
    report(at, 'markdown blocks may have no more than 12000 characters together');
  }
}

function textLength(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textLength(item), 0);
  if (!isObject(value)) return 0;
  const own = typeof value['text'] === 'string' ? value['text'].length : 0;
  return own + textLength(value['elements']);
}

/** The elements of a block a person can use, wherever the block keeps them. */
export function interactiveElements(block: JsonObject): JsonObject[] {
  return [
    ...objectList(block['elements']).flatMap((element) => [element, ...objectList(element['actions'])]),
    ...objectList(block['actions']),
    ...[block['accessory'], block['element']].filter(isObject),
  ];
}
