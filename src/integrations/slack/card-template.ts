import { parseDocument } from 'yaml';
import { cardEngines } from './card-liquid.ts';
import { bareSampleCard, fullSampleCard } from './card-samples.ts';
import { cardView } from './card-view.ts';
import type { CardView } from './card-view.ts';
import { blockShape } from './block-shapes.ts';
import { isRecord } from './fit-blocks.ts';
import { TemplateCompiler } from './template-compiler.ts';
import type { Scope } from './template-compiler.ts';
import { isBlank } from './slack-text.ts';

/** A checked template. `blocks` are rendered, but not yet within Slack's limits. */
export type CardTemplate = { render(view: CardView): { text: string; blocks: unknown[] } };

/** `problems` are for the operator: path, what was found, what is allowed. */
export type LoadedTemplate = { ok: true; template: CardTemplate } | { ok: false; problems: string[] };

type Words = Record<string, Record<string, string>>;

/**
 * Reads and checks a card template (the language is described at the top of
 * `card-template.yaml`): YAML, keys and types, filters, variables, and that it
 * renders a full and a bare card.
 */
export function loadCardTemplate(text: string): LoadedTemplate {
  const document = parseDocument(text);
  if (document.errors.length > 0)
    return { ok: false, problems: document.errors.map((error) => `not YAML: ${error.message}`) };
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    return { ok: false, problems: [`not YAML: ${messageOf(error)}`] };
  }
  if (!isRecord(content)) {
    return { ok: false, problems: ['the template must be a mapping with the keys words, text and blocks'] };
  }
  return compileTemplate(content);
}

function compileTemplate(content: Record<string, unknown>): LoadedTemplate {
  const problems = Object.keys(content)
    .filter((key) => !['words', 'text', 'blocks'].includes(key))
    .map((key) => `${key}: unknown key; allowed: words, text, blocks`);
  const words = readWords(content['words'] ?? {}, problems);
  const sample: Scope = { ...cardView(fullSampleCard), words };
  const compiler = new TemplateCompiler(cardEngines(), problems);
  const { text } = content;
  if (typeof text !== 'string') problems.push('text: missing; expected a template of the notification text');
  if (!Array.isArray(content['blocks'])) problems.push('blocks: missing; expected a list of blocks');
  const renderText = compiler.leaf(typeof text === 'string' ? text : '', 'mrkdwn', 'text', sample);
  const renderBlocks = (Array.isArray(content['blocks']) ? content['blocks'] : []).map((block, index) =>
    compiler.node(block, blockShape, `blocks[${index}]`, sample),
  );
  if (problems.length > 0) return { ok: false, problems };

  const template: CardTemplate = {
    render(view) {
      const scope: Scope = { ...view, words };
      return { text: renderText(scope), blocks: renderBlocks.flatMap((render) => render(scope)) };
    },
  };
  return tryOut(template);
}

/** What only shows when it runs: a filter that fails, a card without words. */
function tryOut(template: CardTemplate): LoadedTemplate {
  for (const card of [fullSampleCard, bareSampleCard]) {
    try {
      if (isBlank(template.render(cardView(card)).text)) {
        return { ok: false, problems: ['text: renders to nothing for a sample alert'] };
      }
    } catch (error) {
      return { ok: false, problems: [`a sample alert cannot be rendered: ${messageOf(error)}`] };
    }
  }
  return { ok: true, template };
}

function readWords(value: unknown, problems: string[]): Words {
  const words: Words = {};
  if (!isRecord(value)) {
    problems.push('words: expected tables of wording, one mapping for each');
    return words;
  }
  for (const [table, entries] of Object.entries(value)) {
    if (!isRecord(entries)) {
      problems.push(`words.${table}: expected a mapping of words to texts`);
      continue;
    }
    words[table] = Object.fromEntries(Object.entries(entries).map(([word, text]) => [word, String(text)]));
  }
  return words;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
