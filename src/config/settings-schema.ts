import { z } from 'zod';
import { secretNames, secretPlaces } from './secrets.ts';
import { Settings } from './settings.ts';

/** As much of JSON Schema as ours uses. */
export type JsonSchema = {
  $schema?: string;
  title?: string;
  description?: string;
  type?: string | string[];
  enum?: unknown[];
  format?: string;
  pattern?: string;
  examples?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

let cached: JsonSchema | undefined;

/** The JSON Schema of gomon.yaml, for editors; secrets are there as references to files. */
export function settingsJsonSchema(): JsonSchema {
  if (cached !== undefined) return structuredClone(cached);
  const schema = plain(z.toJSONSchema(Settings, { io: 'input' })) as JsonSchema;
  schema.title = 'GoMon Alerting settings';
  for (const name of secretNames) {
    const place = secretPlaces[name];
    const reference: JsonSchema = { type: 'string', pattern: '^file:' };
    const steps = place.path.split('.');
    const last = steps.pop() ?? '';
    let parent = schema;
    for (const step of steps) parent = parent.properties?.[step] ?? parent;
    (parent.properties ??= {})[last] = {
      description: `${place.description} ${place.variable}, or here a file: reference.`,
      ...(place.many ? { anyOf: [reference, { type: 'array', items: reference }] } : reference),
    };
  }
  cached = schema;
  return structuredClone(schema);
}

/** In fewer words: variants that exclude each other are variants, and a constant is a choice of one. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (key === 'oneOf' && Array.isArray(value)) return ['anyOf', plain(value)];
      if (key === 'const' && typeof value !== 'object') return ['enum', [value]];
      return [key, plain(value)];
    }),
  );
}

/** The schema of what stands at a place; undefined where there is no such setting. */
export function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  const variants = schema.anyOf ?? [schema];
  const found = variants.flatMap((variant) => {
    const own = typeof step === 'number' ? variant.items : variant.properties?.[String(step)];
    const open = typeof variant.additionalProperties === 'object' ? variant.additionalProperties : undefined;
    const next = own ?? (typeof step === 'number' ? undefined : open);
    return (next && schemaAt(next, rest)) ?? [];
  });
  const [first, ...others] = found;
  // What tells variants apart has a value of its own in each.
  if (first?.enum && others.length > 0 && others.every((other) => other.enum))
    return { ...first, enum: [...new Set(found.flatMap((other) => other.enum ?? []))] };
  return first;
}

/** What a schema allows, in words: "a whole number from 1 to 500". */
export function allowedText(schema: JsonSchema): string {
  if (schema.anyOf) return allowedByAny(schema.anyOf);
  if (schema.enum)
    return schema.enum.length === 1
      ? shownValue(schema.enum[0])
      : `one of ${schema.enum.map(shownValue).join(', ')}`;
  if (Array.isArray(schema.type)) return schema.type.join(', ');
  switch (schema.type) {
    case 'integer':
    case 'number':
      return `${schema.type === 'integer' ? 'a whole number' : 'a number'}${rangeText(schema)}`;
    case 'string':
      return stringText(schema);
    case 'boolean':
      return 'true or false';
    case 'array':
      return `${schema.minItems === undefined ? 'a list' : 'a list that is not empty'}${schema.items ? ` of ${allowedText(schema.items)}` : ''}`;
    case 'object':
      return schema.properties
        ? `settings (${Object.keys(schema.properties).join(', ')})`
        : 'name: value pairs';
    case 'null':
      return 'null';
    case undefined:
    default:
      return 'something else';
  }
}

function allowedByAny(variants: JsonSchema[]): string {
  const [first, second] = variants;
  // One value, or a list of such: said once.
  if (variants.length === 2 && first && second?.type === 'array')
    return `${allowedText(first)}, or a list of such`;
  return [...new Set(variants.map(allowedText))].join(', or ');
}

function rangeText({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, at least ${minimum}`;
  return maximum === undefined ? '' : `, at most ${maximum}`;
}

function stringText(schema: JsonSchema): string {
  if (schema.format === 'uri') return 'an address that begins with http:// or https://';
  if (schema.pattern === '^file:') return 'a file: reference';
  const example = schema.examples?.[0];
  return example === undefined ? 'text' : `text such as ${shownValue(example)}`;
}

function shownValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
