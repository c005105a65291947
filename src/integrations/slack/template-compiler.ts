import type { Template } from 'liquidjs';
import type { ChoiceShape, ListShape, ObjectShape, Shape, TextShape } from './block-shapes.ts';
import type { CardEngines } from './card-liquid.ts';
import { isRecord } from './fit-blocks.ts';
import { unknownVariable } from './template-variables.ts';

export type Scope = Record<string, unknown>;
/** Renders a node of the template: to nothing, one node, or (`$each`) several. */
export type RenderNode = (scope: Scope) => unknown[];

type Language = keyof CardEngines;
const nothing: RenderNode = () => [];
const directives = new Set(['$if', '$each', '$as']);

/**
 * Turns the nodes of a template into functions and collects what is wrong with
 * them, each with its path. Only whole string leaves are templates, so what a
 * leaf renders to can never become structure.
 */
export class TemplateCompiler {
  readonly #engines: CardEngines;
  readonly #problems: string[];

  constructor(engines: CardEngines, problems: string[]) {
    this.#engines = engines;
    this.#problems = problems;
  }

  /** `sample` holds an example of every variable that can be named here. */
  node(node: unknown, shape: Shape, path: string, sample: Scope): RenderNode {
    if (isRecord(node)) return this.#directed(node, shape, path, sample);
    switch (shape.kind) {
      case 'list':
        return this.#list(node, shape, path, sample);
      case 'string':
      case 'url':
        if (typeof node !== 'string') return this.#wrong(path, node, 'a text');
        return one(this.leaf(node, 'plain', path, sample));
      case 'word':
        if (typeof node !== 'string' || (!isTemplate(node) && !shape.allowed.includes(node))) {
          return this.#wrong(path, node, shape.allowed.join(', '));
        }
        return one(this.leaf(node, 'plain', path, sample));
      case 'flag':
        return typeof node === 'boolean' ? () => [node] : this.#wrong(path, node, 'true, false');
      case 'text':
        return this.#wrong(path, node, `a text object with type ${textTypes(shape)} and text`);
      case 'object':
      case 'choice':
        return this.#wrong(path, node, 'a mapping');
    }
  }

  /** A string as a template; with `mrkdwn`, all it puts out is escaped. */
  leaf(text: string, language: Language, path: string, sample: Scope): (scope: Scope) => string {
    if (!isTemplate(text)) return () => text;
    const template = this.#parse(text, language, path, sample);
    const engine = this.#engines[language];
    return (scope) => String(engine.renderSync(template, scope));
  }

  #directed(node: Record<string, unknown>, shape: Shape, path: string, sample: Scope): RenderNode {
    const name = typeof node['$as'] === 'string' ? node['$as'] : 'item';
    const list = '$each' in node ? this.#each(node['$each'], `${path}.$each`, sample) : undefined;
    const inner = list === undefined ? sample : { ...sample, [name]: list.example };
    const condition = '$if' in node ? this.#condition(node['$if'], `${path}.$if`, inner) : undefined;
    const plainNode = Object.fromEntries(Object.entries(node).filter(([key]) => !directives.has(key)));
    const body = this.#record(plainNode, shape, path, inner);
    const guarded: RenderNode =
      condition === undefined ? body : (scope) => (condition(scope) ? body(scope) : []);
    if (list === undefined) return guarded;
    return (scope) => list.of(scope).flatMap((entry) => guarded({ ...scope, [name]: entry }));
  }

  #record(node: Record<string, unknown>, shape: Shape, path: string, sample: Scope): RenderNode {
    switch (shape.kind) {
      case 'object':
        return this.#object(node, shape, path, sample);
      case 'choice':
        return this.#choice(node, shape, path, sample);
      case 'text':
        return this.#text(node, shape, path, sample);
      default:
        return this.#wrong(path, node, shape.kind === 'list' ? 'a list' : 'a single value');
    }
  }

  #choice(node: Record<string, unknown>, shape: ChoiceShape, path: string, sample: Scope): RenderNode {
    const { type } = node;
    const chosen = typeof type === 'string' ? shape.of[type] : undefined;
    if (chosen === undefined) return this.#wrong(`${path}.type`, type, Object.keys(shape.of).join(', '));
    return this.#record(node, chosen, path, sample);
  }

  #text(node: Record<string, unknown>, shape: TextShape, path: string, sample: Scope): RenderNode {
    const { type, text } = node;
    if (type !== 'plain_text' && !(type === 'mrkdwn' && shape.mrkdwn)) {
      return this.#wrong(`${path}.type`, type, textTypes(shape));
    }
    if (typeof text !== 'string') return this.#wrong(`${path}.text`, text, 'a text');
    this.#checkKeys(node, type === 'mrkdwn' ? ['text', 'verbatim'] : ['text', 'emoji'], path);
    const render = this.leaf(text, type === 'mrkdwn' ? 'mrkdwn' : 'plain', `${path}.text`, sample);
    const { emoji } = node;
    return (scope) => [{ type, text: render(scope), ...(emoji === undefined ? {} : { emoji }) }];
  }

  #object(node: Record<string, unknown>, shape: ObjectShape, path: string, sample: Scope): RenderNode {
    this.#checkKeys(node, Object.keys(shape.keys), path);
    for (const key of shape.required) {
      if (!(key in node)) this.#problems.push(`${path}.${key}: missing`);
    }
    if (shape.anyOf !== undefined && !shape.anyOf.some((key) => key in node)) {
      this.#problems.push(`${path}: needs one of ${shape.anyOf.join(', ')}`);
    }
    const members = Object.entries(shape.keys)
      .filter(([key]) => key in node)
      .map(([key, keyShape]) => ({ key, render: this.node(node[key], keyShape, `${path}.${key}`, sample) }));
    const { type } = node;
    return (scope) => {
      const rendered: Record<string, unknown> = type === undefined ? {} : { type };
      for (const { key, render } of members) {
        const [value] = render(scope);
        if (value !== undefined) rendered[key] = value;
      }
      return [rendered];
    };
  }

  #list(node: unknown, shape: ListShape, path: string, sample: Scope): RenderNode {
    if (!Array.isArray(node)) return this.#wrong(path, node, 'a list');
    const entries = node.map((entry, index) => this.node(entry, shape.of, `${path}[${index}]`, sample));
    return (scope) => [entries.flatMap((render) => render(scope))];
  }

  #condition(expression: unknown, path: string, sample: Scope): ((scope: Scope) => boolean) | undefined {
    if (typeof expression === 'boolean') return () => expression;
    if (typeof expression !== 'string') {
      this.#wrong(path, expression, 'an expression such as: status == "firing"');
      return undefined;
    }
    const test = this.leaf(`{% if ${expression} %}yes{% endif %}`, 'plain', path, sample);
    return (scope) => test(scope) === 'yes';
  }

  #each(
    expression: unknown,
    path: string,
    sample: Scope,
  ): { of: (scope: Scope) => unknown[]; example: unknown } | undefined {
    if (typeof expression !== 'string') {
      this.#wrong(path, expression, 'an expression for a list such as: notes');
      return undefined;
    }
    const before = this.#problems.length;
    this.#parse(`{{ ${expression} }}`, 'plain', path, sample);
    if (this.#problems.length > before) return undefined;
    const evaluate = (scope: Scope): unknown => this.#engines.plain.evalValueSync(expression, scope);
    const example = evaluate(sample);
    if (!Array.isArray(example)) {
      const lists = Object.keys(sample).filter((key) => Array.isArray(sample[key]));
      this.#wrong(path, expression, `a list: ${lists.join(', ')}`);
      return undefined;
    }
    return {
      example: example[0],
      of: (scope) => {
        const value = evaluate(scope);
        return Array.isArray(value) ? value : [];
      },
    };
  }

  #parse(text: string, language: Language, path: string, sample: Scope): Template[] {
    const engine = this.#engines[language];
    try {
      const template = engine.parse(text);
      for (const segments of engine.globalVariableSegmentsSync(template)) {
        const problem = unknownVariable(segments, sample);
        if (problem !== undefined) this.#problems.push(`${path}: ${problem}`);
      }
      return template;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const filters = message.startsWith('undefined filter')
        ? `; allowed: ${Object.keys(engine.filters).toSorted().join(', ')}`
        : '';
      this.#problems.push(`${path}: ${message}${filters}`);
      return [];
    }
  }

  #checkKeys(node: Record<string, unknown>, allowed: string[], path: string): void {
    for (const key of Object.keys(node)) {
      if (key === 'type' || allowed.includes(key)) continue;
      this.#problems.push(`${path}.${key}: unknown key; allowed: ${['type', ...allowed].join(', ')}`);
    }
  }

  #wrong(path: string, found: unknown, allowed: string): RenderNode {
    const shown = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 80);
    this.#problems.push(`${path}: found ${shown}; allowed: ${allowed}`);
    return nothing;
  }
}

function one(render: (scope: Scope) => string): RenderNode {
  return (scope) => [render(scope)];
}

function isTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('{%');
}

function textTypes(shape: TextShape): string {
  return shape.mrkdwn ? 'plain_text, mrkdwn' : 'plain_text';
}
