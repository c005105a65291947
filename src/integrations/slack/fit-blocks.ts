import { blockShape, maxBlocks } from './block-shapes.ts';
import type { ObjectShape, Shape, TextShape } from './block-shapes.ts';
import { safeUrl } from './safe-url.ts';
import { breakMentions, cutMrkdwn, cutPlain, displayText, isBlank } from './slack-text.ts';

export type SlackBlock = { type: string; [key: string]: unknown };

/**
 * Makes rendered blocks acceptable to Slack, whatever went into them: texts are
 * cut to their limits, empty ones left out together with what cannot be without
 * them, surplus entries dropped. Actions are kept before anything else.
 */
export function fitBlocks(rendered: readonly unknown[]): SlackBlock[] {
  const blocks = rendered
    .map((node) => fit(node, blockShape))
    .filter(isBlock)
    .map(withoutRepeatedActions);
  while (blocks.length > maxBlocks) {
    const surplus = blocks.findLastIndex((block) => block.type !== 'actions');
    blocks.splice(surplus === -1 ? maxBlocks : surplus, 1);
  }
  return blocks;
}

/** The node within the limits of its shape; undefined when nothing acceptable is left of it. */
function fit(node: unknown, shape: Shape): unknown {
  switch (shape.kind) {
    case 'text':
      return isRecord(node) ? fitText(node, shape) : undefined;
    case 'string':
      return fitString(node, shape.max, shape.tooLong);
    case 'url':
      return typeof node === 'string' ? (safeUrl(node) ?? undefined) : undefined;
    case 'word':
      return typeof node === 'string' && shape.allowed.includes(node) ? node : undefined;
    case 'flag':
      return typeof node === 'boolean' ? node : undefined;
    case 'list': {
      if (!Array.isArray(node)) return undefined;
      const kept = node.map((entry) => fit(entry, shape.of)).filter((entry) => entry !== undefined);
      return kept.length === 0 ? undefined : kept.slice(0, shape.max);
    }
    case 'object':
      return isRecord(node) ? fitObject(node, shape) : undefined;
    case 'choice': {
      if (!isRecord(node) || typeof node['type'] !== 'string') return undefined;
      const chosen = shape.of[node['type']];
      return chosen === undefined ? undefined : fit(node, chosen);
    }
  }
}

function fitText(node: Record<string, unknown>, shape: TextShape): Record<string, unknown> | undefined {
  if (typeof node['text'] !== 'string') return undefined;
  const text = displayText(node['text']).trim();
  if (isBlank(text)) return undefined;
  if (node['type'] === 'mrkdwn' && shape.mrkdwn) {
    // verbatim: Slack makes no links and mentions of its own out of the text.
    return { type: 'mrkdwn', text: cutMrkdwn(text, shape.max), verbatim: true };
  }
  const emoji = typeof node['emoji'] === 'boolean' ? { emoji: node['emoji'] } : {};
  return { type: 'plain_text', text: cutPlain(breakMentions(text), shape.max), ...emoji };
}

function fitString(node: unknown, max: number, tooLong: 'cut' | 'omit'): string | undefined {
  if (typeof node !== 'string') return undefined;
  const text = displayText(node).trim();
  if (isBlank(text) || (text.length > max && tooLong === 'omit')) return undefined;
  // What may be cut is read by people; what may not is an id.
  return tooLong === 'cut' ? cutPlain(breakMentions(text), max) : text;
}

function fitObject(node: Record<string, unknown>, shape: ObjectShape): Record<string, unknown> | undefined {
  const kept: Record<string, unknown> = typeof node['type'] === 'string' ? { type: node['type'] } : {};
  for (const [key, keyShape] of Object.entries(shape.keys)) {
    const value = fit(node[key], keyShape);
    if (value !== undefined) kept[key] = value;
  }
  const complete =
    shape.required.every((key) => key in kept) && (shape.anyOf?.some((key) => key in kept) ?? true);
  return complete ? kept : undefined;
}

/** An action id may stand only once in a block. */
function withoutRepeatedActions(block: SlackBlock): SlackBlock {
  const { elements } = block;
  if (block.type !== 'actions' || !Array.isArray(elements)) return block;
  const seen = new Set<unknown>();
  const kept = elements.filter((element: unknown) => {
    const id = isRecord(element) ? element['action_id'] : undefined;
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
  return { ...block, elements: kept };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isBlock(value: unknown): value is SlackBlock {
  return isRecord(value) && typeof value['type'] === 'string';
}
