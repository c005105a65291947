/**
 * Says what Slack would refuse about a message, told independently of the code
 * that makes messages: the referee of the tests.
 */
type Json = Record<string, unknown>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function blockKitViolations(message: { text: string; blocks: readonly unknown[] }): string[] {
  const found: string[] = [];
  const refuse = (path: string, what: string): void => {
    found.push(`${path}: ${what}`);
  };
  checkLength(message.text, 1, 3_000, 'text', refuse);
  checkWords(message.text, 'text', true, refuse);
  if (message.blocks.length === 0 || message.blocks.length > 50)
    refuse('blocks', `${message.blocks.length} blocks`);
  const ids = new Set<unknown>();
  message.blocks.forEach((block, index) => {
    const path = `blocks[${index}]`;
    if (!isJson(block)) return refuse(path, 'not an object');
    const id = block['block_id'];
    if (id !== undefined && (ids.has(id) || typeof id !== 'string' || id === '' || id.length > 255)) {
      refuse(`${path}.block_id`, `bad or repeated: ${JSON.stringify(id)}`);
    }
    ids.add(id);
    checkBlock(block, path, refuse);
  });
  return found;
}

type Refuse = (path: string, what: string) => void;

function checkBlock(block: Json, path: string, refuse: Refuse): void {
  switch (block['type']) {
    case 'header':
      return checkText(block['text'], 150, ['plain_text'], `${path}.text`, refuse);
    case 'section': {
      const { text, fields } = block;
      if (text === undefined && fields === undefined) refuse(path, 'neither text nor fields');
      if (text !== undefined) checkText(text, 3_000, ['plain_text', 'mrkdwn'], `${path}.text`, refuse);
      if (fields !== undefined) {
        each(fields, 1, 10, `${path}.fields`, refuse, (field, at) =>
          checkText(field, 2_000, ['plain_text', 'mrkdwn'], at, refuse),
        );
      }
      return;
    }
    case 'context':
      return each(block['elements'], 1, 10, `${path}.elements`, refuse, (element, at) =>
        checkText(element, 3_000, ['plain_text', 'mrkdwn'], at, refuse),
      );
    case 'actions': {
      const ids = new Set<unknown>();
      return each(block['elements'], 1, 25, `${path}.elements`, refuse, (element, at) => {
        if (!isJson(element)) return refuse(at, 'not an object');
        if (ids.has(element['action_id'])) refuse(at, 'repeated action_id');
        ids.add(element['action_id']);
        checkButton(element, at, refuse);
      });
    }
    default:
      refuse(path, `unexpected block ${String(block['type'])}`);
  }
}

function checkButton(button: Json, path: string, refuse: Refuse): void {
  if (button['type'] !== 'button') refuse(path, `unexpected element ${String(button['type'])}`);
  checkText(button['text'], 75, ['plain_text'], `${path}.text`, refuse);
  checkLength(button['action_id'], 1, 255, `${path}.action_id`, refuse);
  for (const [key, max] of [
    ['value', 2_000],
    ['url', 3_000],
    ['accessibility_label', 75],
  ] as const) {
    if (button[key] !== undefined) checkLength(button[key], 1, max, `${path}.${key}`, refuse);
  }
  if (typeof button['url'] === 'string' && !/^https?:\/\/[^\s<>|]+$/.test(button['url']))
    refuse(`${path}.url`, 'bad URL');
  if (!['primary', 'danger', undefined].includes(button['style'] as string | undefined))
    refuse(`${path}.style`, 'unknown');
  const { confirm } = button;
  if (confirm === undefined) return;
  if (!isJson(confirm)) return refuse(`${path}.confirm`, 'not an object');
  for (const [key, max] of [
    ['title', 100],
    ['text', 300],
    ['confirm', 30],
    ['deny', 30],
  ] as const) {
    checkText(confirm[key], max, ['plain_text'], `${path}.confirm.${key}`, refuse);
  }
}

function checkText(node: unknown, max: number, types: string[], path: string, refuse: Refuse): void {
  if (!isJson(node)) return refuse(path, 'not a text object');
  if (!types.includes(String(node['type']))) refuse(path, `type ${String(node['type'])}`);
  checkLength(node['text'], 1, max, path, refuse);
  if (typeof node['text'] === 'string') checkWords(node['text'], path, node['type'] === 'mrkdwn', refuse);
  const unknownKeys = Object.keys(node).filter((key) => !['type', 'text', 'emoji', 'verbatim'].includes(key));
  if (unknownKeys.length > 0) refuse(path, `unknown keys ${unknownKeys.join(', ')}`);
}

/** Text is well-formed, shows something, and in mrkdwn holds no token but the ones we write. */
function checkWords(text: string, path: string, mrkdwn: boolean, refuse: Refuse): void {
  if (!text.isWellFormed()) refuse(path, 'half a character');
  if (/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/.test(text))
    refuse(path, 'control character');
  if (text.trim() === '') refuse(path, 'blank');
  if (!mrkdwn) return;
  const rest = text.replace(
    /<!date\^\d+\^[^|<>]+\|[^<>]+ UTC>|<https?:\/\/[^\s<>|]+\|[^<>]*>|<@[UW][A-Z0-9]+>/g,
    '',
  );
  if (/[<>]/.test(rest)) refuse(path, `unescaped: ${rest.slice(0, 80)}`);
  if (/&(?!amp;|lt;|gt;)/.test(rest)) refuse(path, `cut or unescaped entity: ${rest.slice(-40)}`);
}

function checkLength(value: unknown, min: number, max: number, path: string, refuse: Refuse): void {
  if (typeof value !== 'string') return refuse(path, 'not a string');
  if (value.length < min || value.length > max) refuse(path, `${value.length} characters`);
}

function each(
  value: unknown,
  min: number,
  max: number,
  path: string,
  refuse: Refuse,
  check: (entry: unknown, path: string) => void,
): void {
  if (!Array.isArray(value)) return refuse(path, 'not a list');
  if (value.length < min || value.length > max) refuse(path, `${value.length} entries`);
  value.forEach((entry: unknown, index) => check(entry, `${path}[${index}]`));
}
