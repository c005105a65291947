import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AlertCard } from '../../notify/message.ts';
import { loadCardTemplate } from './card-template.ts';
import type { CardTemplate } from './card-template.ts';
import { cardView } from './card-view.ts';
import type { CardView } from './card-view.ts';
import { fitBlocks } from './fit-blocks.ts';
import type { SlackBlock } from './fit-blocks.ts';
import { cutMrkdwn, displayText, escapeMrkdwn, isBlank } from './slack-text.ts';

/** `text` stands for the whole card in notifications and for screen readers. */
export type RenderedCard = { text: string; blocks: SlackBlock[] };

export interface CardRenderer {
  /** Never throws, and always answers a message Slack can take. Equal cards render equally. */
  render(card: AlertCard): RenderedCard;
}

export type CardRendererOptions = {
  /** The operator's template; absent: `card-template.yaml`. */
  template?: string;
  /** Completes card addresses that are only a path. */
  appUrl?: string;
  /** Told when the operator's template failed on a card; the default one was used for it. */
  onTemplateError?: (error: unknown) => void;
};

/** `chat.update` refuses texts over 4,000 characters; this stays well below. */
const maxTextLength = 2_900;

const defaultTemplateUrl = new URL('./card-template.yaml', import.meta.url);

/** The default template's text: where an operator's own starts from. */
export function defaultCardTemplate(): string {
  return readFileSync(defaultTemplateUrl, 'utf8');
}

/** @throws when the template is wrong; the message names each place, what was found and what is allowed. */
export function createCardRenderer(options: CardRendererOptions = {}): CardRenderer {
  const fallback = loaded(defaultCardTemplate());
  const template = options.template === undefined ? fallback : loaded(options.template);
  return {
    render(card) {
      const view = cardView(card, options.appUrl);
      try {
        return finish(template.render(view), view);
      } catch (error) {
        options.onTemplateError?.(error);
        return finish(fallback.render(view), view);
      }
    },
  };
}

function loaded(text: string): CardTemplate {
  const result = loadCardTemplate(text);
  if (!result.ok)
    throw new Error(`The Slack card template cannot be used:\n  ${result.problems.join('\n  ')}`);
  return result.template;
}

function finish(rendered: { text: string; blocks: unknown[] }, view: CardView): RenderedCard {
  const words = displayText(rendered.text).trim().replace(/\s+/g, ' ');
  const text = isBlank(words) ? escapeMrkdwn(`${view.severity} ${view.status}: ${view.title}`) : words;
  const blocks = fitBlocks(rendered.blocks);
  return { text: cutMrkdwn(text, maxTextLength), blocks: withBlockIds(blocks) };
}

/**
 * Ids unique in the message and, as Slack asks, new with each change of it
 * (https://docs.slack.dev/reference/block-kit/blocks); equal for an equal card.
 */
function withBlockIds(blocks: SlackBlock[]): SlackBlock[] {
  const version = createHash('sha256').update(JSON.stringify(blocks)).digest('hex').slice(0, 10);
  return blocks.map((block, index) => {
    const name = typeof block['block_id'] === 'string' ? block['block_id'] : block.type;
    return { ...block, block_id: `${name}-${index}-${version}` };
  });
}
